"""Writes a C++ file that holds another file's bytes: embed.py INPUT NAME OUTPUT."""

import sys

source, name, target = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
rows = [",".join(str(byte) for byte in data[at : at + 32]) for at in range(0, len(data), 32)]
with open(target, "w", encoding="ascii") as file:
    file.write(f"extern const unsigned char {name}[];\n")
    file.write(f"extern const unsigned long {name}_size;\n")
    file.write(f"const unsigned char {name}[] = {{\n" + ",\n".join(rows) + "};\n")
    file.write(f"const unsigned long {name}_size = {len(data)};\n")
