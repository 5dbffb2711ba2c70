// Layout and writing of weights.
//
// A linker that is given half a gigabyte of weights maps it as input and again as output, and so needs twice
// its size in memory. Here the linker sees an empty section of the right size (NOBITS), which it lays out
// like any other; afterwards the weights are appended to its result, and the section's header, and in a
// shared library its segment's, are made to point at them. Memory stays that of the weights themselves.
#include "compiler/codegen/Weights.h"

#include "compiler/codegen/FileWriter.h"
#include "runtime/program.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace llvm;
using namespace llvm::ELF;

namespace sylvite {

WeightsLayout layoutWeights(ArrayRef<ParameterInfo> parameters) {
  WeightsLayout layout;
  for (const ParameterInfo &parameter : parameters) {
    if (parameter.isZeroAtFirst()) {
      layout.offsets.push_back(SYLVITE_ZERO);
      continue;
    }
    layout.size = alignTo(layout.size, SYLVITE_ALIGNMENT);
    layout.offsets.push_back(layout.size);
    layout.size += parameter.data.size();
  }
  return layout;
}

//===----------------------------------------------------------------------===//
// ELF
//===----------------------------------------------------------------------===//

Error writeWeightsPlaceholder(StringRef path, StringRef like, StringRef symbol, uint64_t size) {
  Elf64_Ehdr header;
  Expected<FileWriter> model = FileWriter::openExisting(like);
  if (!model)
    return model.takeError();
  if (Error error = model->readAt(0, &header, sizeof header))
    return error;

  // Sections: null, the weights, the mark that the stack need not be executable, symbols, names.
  constexpr StringRef names("\0.sylvite_weights\0.note.GNU-stack\0.symtab\0.strtab\0", 51);
  auto nameOffset = [&](StringRef name) { return static_cast<Elf64_Word>(names.find(name)); };
  std::string strings(names);
  Elf64_Sym symbols[2] = {};
  symbols[1].st_name = strings.size();
  symbols[1].setBindingAndType(STB_GLOBAL, STT_OBJECT);
  symbols[1].st_other = STV_HIDDEN;
  symbols[1].st_shndx = 1;
  symbols[1].st_size = size;
  strings += symbol;
  strings += '\0';

  Elf64_Shdr sections[5] = {};
  sections[1].sh_name = nameOffset(weightsSection);
  sections[1].sh_type = SHT_NOBITS;
  sections[1].sh_flags = SHF_ALLOC;
  sections[1].sh_offset = sizeof header;
  sections[1].sh_size = size;
  sections[1].sh_addralign = SYLVITE_ALIGNMENT;
  sections[2].sh_name = nameOffset(".note.GNU-stack");
  sections[2].sh_type = SHT_PROGBITS;
  sections[2].sh_offset = sizeof header;
  sections[2].sh_addralign = 1;
  sections[3].sh_name = nameOffset(".symtab");
  sections[3].sh_type = SHT_SYMTAB;
  sections[3].sh_offset = sizeof header;
  sections[3].sh_size = sizeof symbols;
  sections[3].sh_link = 4;
  sections[3].sh_info = 1;
  sections[3].sh_addralign = 8;
  sections[3].sh_entsize = sizeof(Elf64_Sym);
  sections[4].sh_name = nameOffset(".strtab");
  sections[4].sh_type = SHT_STRTAB;
  sections[4].sh_offset = sizeof header + sizeof symbols;
  sections[4].sh_size = strings.size();
  sections[4].sh_addralign = 1;
  uint64_t end = sections[4].sh_offset + strings.size();
  strings.append(offsetToAlignment(end, Align(8)), '\0');

  header.e_type = ET_REL;
  header.e_shoff = sizeof header + sizeof symbols + strings.size();
  header.e_shnum = 5;
  header.e_shstrndx = 4;
  Expected<FileWriter> out = FileWriter::create(path);
  if (!out)
    return out.takeError();
  if (Error error = out->append(&header, sizeof header))
    return error;
  if (Error error = out->append(symbols, sizeof symbols))
    return error;
  if (Error error = out->append(strings.data(), strings.size()))
    return error;
  if (Error error = out->append(sections, sizeof sections))
    return error;
  return out->close();
}

/// Appends every parameter at its place in the layout, starting at the end of the file.
static Error appendParameters(FileWriter &file, ArrayRef<ParameterInfo> parameters) {
  static constexpr char zeros[SYLVITE_ALIGNMENT] = {};
  uint64_t written = 0;
  for (const ParameterInfo &parameter : parameters) {
    if (parameter.isZeroAtFirst())
      continue;
    uint64_t padding = offsetToAlignment(written, Align(SYLVITE_ALIGNMENT));
    if (Error error = file.append(zeros, padding))
      return error;
    if (Error error = file.append(parameter.data.data(), parameter.data.size()))
      return error;
    written += padding + parameter.data.size();
  }
  return Error::success();
}

Error fillWeightsSection(StringRef path, ArrayRef<ParameterInfo> parameters) {
  Expected<FileWriter> file = FileWriter::openExisting(path);
  if (!file)
    return file.takeError();
  Elf64_Ehdr header;
  if (Error error = file->readAt(0, &header, sizeof header))
    return error;
  SmallVector<Elf64_Shdr> sections(header.e_shnum);
  if (Error error = file->readAt(header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr)))
    return error;
  if (header.e_shstrndx >= sections.size())
    return createStringError("internal error: the linker's result has no section names");
  const Elf64_Shdr &nameTable = sections[header.e_shstrndx];
  std::string names(nameTable.sh_size, '\0');
  if (Error error = file->readAt(nameTable.sh_offset, names.data(), names.size()))
    return error;
  auto *section = find_if(sections, [&](const Elf64_Shdr &section) {
    return section.sh_name < names.size() && StringRef(&names[section.sh_name]) == weightsSection;
  });
  uint64_t size = layoutWeights(parameters).size;
  if (section == sections.end() || section->sh_type != SHT_NOBITS || section->sh_size != size)
    return createStringError("internal error: the linker's result has no weights section");

  // The segment of the section: it must begin there, and hold nothing else.
  SmallVector<Elf64_Phdr> segments(header.e_phnum);
  if (Error error = file->readAt(header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr)))
    return error;
  auto *segment = find_if(segments, [&](const Elf64_Phdr &segment) {
    return segment.p_type == PT_LOAD && segment.p_vaddr == section->sh_addr;
  });
  uint64_t alignment = SYLVITE_ALIGNMENT;
  if (header.e_type == ET_DYN) {
    if (segment == segments.end() || segment->p_filesz != 0 || segment->p_memsz != size)
      return createStringError("internal error: the weights have no segment of their own");
    alignment = segment->p_align;
  }

  uint64_t end = file->size();
  uint64_t start = alignTo(end, alignment) + section->sh_addr % alignment;
  if (Error error = file->appendZeros(start - end))
    return error;
  if (Error error = appendParameters(*file, parameters))
    return error;

  section->sh_type = SHT_PROGBITS;
  section->sh_offset = start;
  if (Error error =
          file->writeAt(header.e_shoff + (section - sections.begin()) * sizeof(Elf64_Shdr), section,
                        sizeof(Elf64_Shdr)))
    return error;
  if (header.e_type == ET_DYN) {
    segment->p_offset = start;
    segment->p_filesz = size;
    if (Error error =
            file->writeAt(header.e_phoff + (segment - segments.begin()) * sizeof(Elf64_Phdr), segment,
                          sizeof(Elf64_Phdr)))
      return error;
  }
  return file->close();
}

//===----------------------------------------------------------------------===//
// Safetensors
//===----------------------------------------------------------------------===//

Error writeSafetensors(StringRef path, ArrayRef<ParameterInfo> parameters) {
  // The format allows no holes, so a tensor is aligned only if those before it keep the alignment: first the
  // many whose size is a multiple of a cache line, then the others from the largest element type down. The
  // runtime's save has the same order.
  SmallVector<const ParameterInfo *> order;
  for (const ParameterInfo &parameter : parameters)
    if (!parameter.isZeroAtFirst())
      order.push_back(&parameter);
  stable_sort(order, [](const ParameterInfo *left, const ParameterInfo *right) {
    auto alignment = [](const ParameterInfo *parameter) -> uint64_t {
      return parameter->data.size() % SYLVITE_ALIGNMENT == 0 ? SYLVITE_ALIGNMENT
                                                             : getSizeInBytes(parameter->tensor.dtype);
    };
    return alignment(left) > alignment(right);
  });

  std::string header;
  raw_string_ostream text(header);
  uint64_t offset = 0;
  json::OStream json(text);
  json.objectBegin();
  json.attributeObject("__metadata__", [&] { json.attribute("format", "sylvite"); });
  for (const ParameterInfo *parameter : order) {
    uint64_t end = offset + parameter->data.size();
    json.attributeObject(parameter->tensor.name, [&] {
      json.attribute("dtype", getSafetensorsName(parameter->tensor.dtype));
      json.attributeArray("shape", [&] {
        for (int64_t size : parameter->tensor.shape)
          json.value(size);
      });
      json.attributeArray("data_offsets", [&] {
        json.value(static_cast<int64_t>(offset));
        json.value(static_cast<int64_t>(end));
      });
    });
    offset = end;
  }
  json.objectEnd();
  uint64_t length = header.size();
  header.append(offsetToAlignment(length + sizeof length, Align(SYLVITE_ALIGNMENT)), ' ');
  length = header.size();

  Expected<FileWriter> file = FileWriter::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->append(&length, sizeof length))
    return error;
  if (Error error = file->append(header.data(), header.size()))
    return error;
  for (const ParameterInfo *parameter : order)
    if (Error error = file->append(parameter->data.data(), parameter->data.size()))
      return error;
  return file->close();
}

} // namespace sylvite
