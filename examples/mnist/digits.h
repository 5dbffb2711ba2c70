/* Handwritten digits for the programs of these examples: reads them, and shuffles them by a seed. */
#ifndef DIGITS_H
#define DIGITS_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };

struct digits {
  size_t count;
  float *images;   /* [count, 28, 28, 1], grey values from 0 to 1 */
  int32_t *labels; /* [count] */
};

static inline struct digits digits_allocate(size_t count) {
  struct digits digits = {count, malloc(count * PIXELS * sizeof *digits.images),
                          malloc(count * sizeof *digits.labels)};
  if (!digits.images || !digits.labels) {
    fprintf(stderr, "no memory for %zu digits\n", count);
    exit(1);
  }
  return digits;
}

static inline void digits_free(struct digits digits) {
  free(digits.images);
  free(digits.labels);
}

/* Digits first, first + 1, ..., first + count - 1; they stay those of `digits`. */
static inline struct digits digits_slice(struct digits digits, size_t first, size_t count) {
  return (struct digits){count, digits.images + first * PIXELS, digits.labels + first};
}

/* Reads an IDX file of bytes: a big-endian magic number 0x08RR of rank RR, RR big-endian sizes, the data.
 * Returns the data, which the caller frees, and the first size in `count`. */
static inline uint8_t *read_idx(const char *directory, const char *name, unsigned rank, size_t item,
                                size_t *count) {
  char path[4096];
  uint8_t header[16];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  if (!file || fread(header, 4 + 4 * rank, 1, file) != 1 || header[2] != 8 || header[3] != rank) {
    fprintf(stderr, "%s: cannot be read, or is not an IDX file of rank %u\n", path, rank);
    exit(1);
  }
  *count = (size_t)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
  uint8_t *data = malloc(*count * item);
  if (!data || fread(data, item, *count, file) != *count) {
    fprintf(stderr, "%s: shorter than its header says\n", path);
    exit(1);
  }
  fclose(file);
  return data;
}

/* Reads the 1,000 digits that mnist_cnn.keras was not trained on. */
static inline struct digits digits_read_heldout(const char *directory) {
  size_t count, label_count;
  uint8_t *images = read_idx(directory, "heldout-images.idx3-ubyte", 3, PIXELS, &count);
  uint8_t *labels = read_idx(directory, "heldout-labels.idx1-ubyte", 1, 1, &label_count);
  if (count != label_count) {
    fprintf(stderr, "%s: %zu images and %zu labels\n", directory, count, label_count);
    exit(1);
  }
  struct digits digits = digits_allocate(count);
  for (size_t i = 0; i < count * PIXELS; ++i)
    digits.images[i] = images[i] / 255.0f;
  for (size_t i = 0; i < count; ++i)
    digits.labels[i] = labels[i];
  free(images);
  free(labels);
  return digits;
}

/* Reads `count` rows of 784 grey values and a label, separated by commas: mnist_5k.csv, uncompressed. */
static inline struct digits digits_read_csv(FILE *file, size_t count) {
  struct digits digits = digits_allocate(count);
  for (size_t i = 0; i < count; ++i) {
    for (size_t pixel = 0; pixel < PIXELS; ++pixel) {
      int grey;
      if (fscanf(file, "%d,", &grey) != 1) {
        fprintf(stderr, "row %zu is not 784 grey values and a label, separated by commas\n", i + 1);
        exit(1);
      }
      digits.images[i * PIXELS + pixel] = grey / 255.0f;
    }
    if (fscanf(file, "%" SCNd32, &digits.labels[i]) != 1) {
      fprintf(stderr, "row %zu has no label\n", i + 1);
      exit(1);
    }
  }
  return digits;
}

static inline void digits_swap(struct digits digits, size_t i, size_t j) {
  float image[PIXELS];
  float *left = digits.images + i * PIXELS, *right = digits.images + j * PIXELS;
  memcpy(image, left, sizeof image);
  memmove(left, right, sizeof image);
  memcpy(right, image, sizeof image);
  int32_t label = digits.labels[i];
  digits.labels[i] = digits.labels[j];
  digits.labels[j] = label;
}

/* Puts the digits into a random order (Fisher and Yates), decided by `state`, which moves on (SplitMix64). */
static inline void digits_shuffle(struct digits digits, uint64_t *state) {
  for (size_t i = digits.count; i > 1; --i) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    digits_swap(digits, i - 1, (z ^ z >> 31) % i);
  }
}

#endif
