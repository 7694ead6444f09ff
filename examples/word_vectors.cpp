/// Vectors of words (skip-gram with negative sampling, Mikolov et al. 2013): a step changes the
/// rows of the words that it met, in place, whatever the number of words.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <kroton/kroton.hpp>

namespace kt = kroton;

namespace {

constexpr std::int64_t size = 16, batch = 256, wrong_words = 4;
constexpr int steps = 4000;
constexpr float rate = 1.f;

/// Sentences "ANIMAL VERB FOOD" and "PERSON VERB PLACE": words that stand in the same places mean
/// alike.
const std::vector<std::vector<std::string>> places = {
    {"cat", "dog", "horse", "mouse", "cow"},
    {"eats", "smells", "likes"},
    {"grass", "cheese", "bread", "hay", "meat"},
    {"teacher", "doctor", "baker", "pilot", "singer"},
    {"visits", "leaves", "enters"},
    {"school", "market", "harbour", "station", "church"},
};

struct Corpus {
  std::vector<std::string> words;
  std::vector<std::int64_t> starts; ///< of each place in `words`
};

Corpus make_corpus() {
  Corpus c;
  for (const auto& place : places) {
    c.starts.push_back(static_cast<std::int64_t>(c.words.size()));
    c.words.insert(c.words.end(), place.begin(), place.end());
  }
  return c;
}

void run() {
  const Corpus corpus = make_corpus();
  const auto count = static_cast<std::int64_t>(corpus.words.size());

  kt::Random random(11);
  const auto table = kt::function({}, random.normal({count, size}, kt::DType::f32, 0, 0.1));
  auto in = kt::shared(table({})[0], "in"), out = kt::shared(table({})[0], "out");
  auto word = kt::vector<std::int64_t>("word"), beside = kt::vector<std::int64_t>("beside");
  auto wrong = kt::matrix<std::int64_t>("wrong"); // words that do not stand beside it
  auto v = kt::index(in, {word});
  auto right_score = kt::sum(v * kt::index(out, {beside}), 1);
  auto wrong_scores = kt::sum(kt::expand_dims(v, 1) * kt::index(out, {wrong}), 2);
  auto loss = kt::mean(kt::softplus(-right_score) + kt::sum(kt::softplus(wrong_scores), 1));
  auto slopes = kt::grad(loss, {in, out});
  const auto step = kt::function(
      {word, beside, wrong}, loss,
      {.updates = {{in, in - rate * slopes[0]}, {out, out - rate * slopes[1]}}, .name = "step"});

  std::uint64_t state = 5;
  const auto below = [&](std::int64_t n) { // a linear congruential generator's upper bits
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(n));
  };
  std::vector<std::int64_t> words(batch), besides(batch), wrongs(batch * wrong_words);
  float sum = 0;
  for (int s = 1; s <= steps; ++s) {
    for (std::size_t i = 0; i < batch; ++i) {
      const std::int64_t sentence = 3 * below(2), at = below(3), other = (at + 1 + below(2)) % 3;
      const auto draw = [&](std::int64_t place) {
        const auto p = static_cast<std::size_t>(sentence + place);
        return corpus.starts[p] + below(static_cast<std::int64_t>(places[p].size()));
      };
      words[i] = draw(at);
      besides[i] = draw(other);
    }
    for (std::int64_t& w : wrongs) w = below(count);
    sum += step(kt::Array::from(words), kt::Array::from(besides),
                kt::Array::from(wrongs, {batch, wrong_words}))[0]
               .item<float>();
    if (s % 1000 == 0) {
      std::printf("step %4d  loss %.3f\n", s, static_cast<double>(sum) / 1000);
      sum = 0;
    }
  }

  auto query = kt::scalar<std::int64_t>("query");
  auto unit = in / kt::sqrt(kt::sum(in * in, 1, true));
  const auto likeness = kt::function({query}, kt::dot(unit, kt::index(unit, {query})));
  for (const char* name : {"cat", "bread", "doctor", "school"}) {
    const auto self = std::ranges::find(corpus.words, name) - corpus.words.begin();
    const auto like = likeness(std::int64_t{self})[0].to_vector<float>();
    std::vector<std::size_t> order(like.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, [&](auto a, auto b) { return like[a] > like[b]; });
    std::printf("%s:", name);
    std::vector<std::string> nearest;
    for (std::size_t i = 1; i <= 4; ++i) nearest.push_back(corpus.words[order[i]]);
    std::ranges::sort(nearest);
    for (const std::string& w : nearest) std::printf(" %s", w.c_str());
    std::puts("");
  }
}

} // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "word_vectors: " << e.what() << '\n';
    return 1;
  }
}

// prints:
// step 1000  loss 1...
// ...
// cat: cow dog horse mouse
// bread: cheese grass hay meat
// doctor: baker pilot singer teacher
// school: church harbour market station
