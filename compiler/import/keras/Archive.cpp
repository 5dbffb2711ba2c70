//===- Archive.cpp - The parts of a Keras model's files -------------------===//
//
// Content decides: a zip archive is Keras 3's, HDF5 is a whole model of Keras 2's layout, all else is JSON.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Archive.h"
#include "compiler/import/Hdf5.h"
#include "compiler/import/Zip.h"

using namespace llvm;
using namespace sylvite;
using namespace sylvite::keras;

static constexpr StringLiteral kConfig("config.json"), kWeights("model.weights.h5");
/// No configuration is larger: the largest of keras.applications is 2 MB.
static constexpr uint64_t kMaxConfig = 256 << 20;

static Error openZip(FileBuffer contents, bool wantWeights, Archive &archive) {
  Expected<ZipArchive> zip = ZipArchive::open(contents);
  if (!zip)
    return zip.takeError();
  const ZipArchive::Member *config = zip->find(kConfig);
  if (!config)
    return makeError("the archive has no member '{0}'", kConfig);
  auto text = zip->read(*config, kMaxConfig);
  if (!text)
    return text.takeError();
  Expected<Json> json = parseJson(textOf(text->second), kConfig);
  if (!json)
    return json.takeError();
  archive.config = std::move(*json);
  if (!wantWeights)
    return Error::success();

  const ZipArchive::Member *weights = zip->find(kWeights);
  if (!weights && zip->find("model.weights.json"))
    return makeError("the archive's weights are sharded; save the model without sharding");
  if (!weights)
    return makeError("the archive has no member '{0}'", kWeights);
  auto data = zip->read(*weights);
  if (!data)
    return data.takeError();
  contents->dontNeedIfMmap(); // the checksum has read every page
  auto source = WeightSource::open(data->first, data->second, kWeights.str());
  if (!source)
    return source.takeError();
  archive.weights = std::move(*source);
  return Error::success();
}

static Error openWholeHdf5(FileBuffer contents, bool wantWeights, Archive &archive) {
  Expected<Hdf5File> h5 = Hdf5File::open(bytesOf(*contents));
  if (!h5)
    return h5.takeError();
  auto config = h5->strings("", "model_config");
  if (!config)
    return config.takeError();
  if (!*config || (*config)->size() != 1)
    return makeError("the HDF5 file has no attribute 'model_config': it holds weights without a model; give "
                     "the model's JSON and this file as its weights");
  Expected<Json> json = parseJson((**config)[0], "attribute 'model_config'");
  if (!json)
    return json.takeError();
  archive.config = std::move(*json);
  if (!wantWeights)
    return Error::success();
  auto source = WeightSource::open(contents, bytesOf(*contents), "the HDF5 file");
  if (!source)
    return source.takeError();
  archive.weights = std::move(*source);
  return Error::success();
}

Expected<Archive> keras::openArchive(FileBuffer contents, StringRef name, FileBuffer weights,
                                     StringRef weightsName) {
  Archive archive;
  Bytes bytes = bytesOf(*contents);
  Error error = Error::success();
  if (ZipArchive::matches(bytes))
    error = openZip(contents, !weights, archive);
  else if (Hdf5File::matches(bytes))
    error = openWholeHdf5(contents, !weights, archive);
  else if (Expected<Json> json = parseJson(textOf(bytes), "the file"))
    archive.config = std::move(*json);
  else
    error = json.takeError();
  if (error)
    return makeError("'{0}': {1}", name, toString(std::move(error)));
  if (weights) {
    auto source = WeightSource::open(weights, bytesOf(*weights), "the file");
    if (!source)
      return makeError("'{0}': {1}", weightsName, toString(source.takeError()));
    archive.weights = std::move(*source);
  }
  return archive;
}
