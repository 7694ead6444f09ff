#pragma once
/// A CUDA device as a target: CUDA C++ text, cubins and PTX by NVRTC, loaded by the driver.
#include <string>
#include <string_view>

#include <kroton/options.hpp>

#include "jit/compile/backend.hpp"
#include "jit/cuda/target.hpp"

namespace kroton::jit::cuda {

/// A kernel's code on all devices that can run it.
///
/// A driver may load code when it is given it, or not before a function of it is wanted on a
/// device: so code counts as taken when the device has its functions. The cubin is tried first. The
/// PTX is for devices that take no cubin of the compiler's architecture: it runs on all that are no
/// older, if the driver is not older than the compiler.
class CudaCode : public Code {
public:
  /// Loads one of the two, with these functions, for the device of the thread's context. Throws
  /// CompileError if it takes neither, DeviceError for a failure that is not the code's.
  explicit CudaCode(const KernelObject& object);
  ~CudaCode() override;

  /// A function of the code on the device of the thread's context. Throws DeviceError if there is
  /// none of that name.
  EntryPoint entry(const std::string& name) const;

private:
  Result load(const char* image, const KernelObject& object);
  Result find(const std::string& name, EntryPoint& function) const;
  void unload() noexcept;

  LibraryCode library_ = nullptr;
};

class CudaBackend : public Backend {
public:
  /// Throws DeviceError if there is no such device.
  explicit CudaBackend(const Options& options, std::string_view target);

  std::string describe() const override;
  bool is_device() const override { return true; }
  /// Nothing: the host's CPU runs none of it.
  std::string requirements() const override { return {}; }
  Texts render(const plan::Plan& plan, const Tamper& tamper) const override;
  cache::Key key(const std::string& text) const override;
  /// Those for older devices of the same major capability, which run their code as it is.
  std::vector<cache::Key> other_keys(const std::string& text) const override;
  cache::Artifact compile(const KernelText& kernel) const override;
  std::span<const std::string_view> code_sections() const override;
  std::vector<std::shared_ptr<const Code>>
  load(std::span<const KernelObject> objects) const override;
  std::vector<std::pair<std::string, std::string>>
  listings(const KernelText& kernel) const override;
  std::unique_ptr<Program> assemble(ProgramParts parts) const override;

private:
  /// The newest that the compiler knows among those whose code the device runs, as it is or as PTX.
  std::string compiled_architecture() const;
  cache::Key key_for(const std::string& text, const std::string& architecture) const;
  std::vector<std::string> arguments_for(const std::string& architecture) const;

  CudaTarget target_;
  Options options_; ///< without updates and cache
};

} // namespace kroton::jit::cuda
