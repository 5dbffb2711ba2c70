// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Mirrored at both ends, the edge not repeated: |x|, then 2 * 7 - x beyond 7.
// CHECK-LABEL: halide.pipeline @pad {
// CHECK: %[[X:.*]] = arith.addi %c, %c-2
// CHECK: %[[NEGATIVE:.*]] = arith.subi %c0, %[[X]]
// CHECK: %[[ABSOLUTE:.*]] = arith.maxsi %[[X]], %[[NEGATIVE]]
// CHECK: %[[TWICE:.*]] = arith.muli %c7, %c2
// CHECK: %[[BACK:.*]] = arith.subi %[[TWICE]], %[[ABSOLUTE]]
// CHECK: %[[MIRRORED:.*]] = arith.minsi %[[ABSOLUTE]], %[[BACK]]
// CHECK: %[[LOW:.*]] = arith.maxsi %[[MIRRORED]], %c0
// CHECK: %[[AT:.*]] = arith.minsi %[[LOW]], %c7
// CHECK: halide.at @in0[%n, %[[AT]]]
// CHECK-NOT: arith.select
// CHECK: func.func @reflect(
func.func @reflect(%x: tensor<?x8xf32>) -> tensor<?x13xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x8xf32>) -> tensor<?x13xf32> {
    %1 = nn.pad %a low [0, 2] high [0, 3] {mode = 1 : i32} : (tensor<?x8xf32>) -> tensor<?x13xf32>
    nn.yield %1 : tensor<?x13xf32>
  }
  return %0 : tensor<?x13xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @pad {
// CHECK: %[[X:.*]] = arith.addi %c, %c-2
// CHECK: %[[LOW:.*]] = arith.maxsi %[[X]], %c0
// CHECK: %[[AT:.*]] = arith.minsi %[[LOW]], %c7
// CHECK: halide.at @in0[%n, %[[AT]]]
// CHECK-NOT: arith.select
// CHECK: func.func @edge(
func.func @edge(%x: tensor<?x8xf32>) -> tensor<?x13xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x8xf32>) -> tensor<?x13xf32> {
    %1 = nn.pad %a low [0, 2] high [0, 3] {mode = 2 : i32} : (tensor<?x8xf32>) -> tensor<?x13xf32>
    nn.yield %1 : tensor<?x13xf32>
  }
  return %0 : tensor<?x13xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @pad {
// CHECK: %[[X:.*]] = arith.addi %c, %c-2
// CHECK: %[[POSITIVE:.*]] = arith.addi %[[X]], %c8
// CHECK: %[[REST:.*]] = arith.remsi %[[POSITIVE]], %c8
// CHECK: %[[LEAST:.*]] = arith.maxsi %[[REST]], %c0
// CHECK: %[[AT:.*]] = arith.minsi %[[LEAST]], %c7
// CHECK: halide.at @in0[%n, %[[AT]]]
// CHECK: func.func @wrap(
func.func @wrap(%x: tensor<?x8xf32>) -> tensor<?x13xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x8xf32>) -> tensor<?x13xf32> {
    %1 = nn.pad %a low [0, 2] high [0, 3] {mode = 3 : i32} : (tensor<?x8xf32>) -> tensor<?x13xf32>
    nn.yield %1 : tensor<?x13xf32>
  }
  return %0 : tensor<?x13xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @pad {
// CHECK: %[[X:.*]] = arith.addi %c, %c-2
// CHECK: arith.cmpi slt, %[[X]], %c8
// CHECK: arith.cmpi sge, %[[X]], %c0
// CHECK: %[[INSIDE:.*]] = arith.andi
// CHECK: %[[VALUE:.*]] = halide.at @in0
// CHECK: %[[FILL:.*]] = arith.constant 7.000000e+00 : f32
// CHECK: arith.select %[[INSIDE]], %[[VALUE]], %[[FILL]]
// CHECK: func.func @fill(
func.func @fill(%x: tensor<?x8xf32>) -> tensor<?x13xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x8xf32>) -> tensor<?x13xf32> {
    %1 = nn.pad %a low [0, 2] high [0, 3] {value = 7.0} : (tensor<?x8xf32>) -> tensor<?x13xf32>
    nn.yield %1 : tensor<?x13xf32>
  }
  return %0 : tensor<?x13xf32>
}

// -----

// A whole factor is an integer division.
// CHECK-LABEL: halide.pipeline @resize {
// CHECK: %[[AT:.*]] = arith.floordivsi %x, %c2
// CHECK-NEXT: %[[VALUE:.*]] = halide.at @in0[%n, %[[AT]], %c]
// CHECK-NEXT: halide.yield %[[VALUE]]
// CHECK: func.func @nearest(
func.func @nearest(%x: tensor<?x4x3xf32>) -> tensor<?x8x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32> {
    %1 = nn.resize nearest %a sizes [8] asymmetric : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32>
    nn.yield %1 : tensor<?x8x3xf32>
  }
  return %0 : tensor<?x8x3xf32>
}

// -----

// Half-pixel centres, (x + 0.5) * 4 / 8 - 0.5; two taps, clamped to the border.
// CHECK-LABEL: halide.pipeline @resize {
// CHECK: %[[CENTRE:.*]] = arith.addf %{{.*}}, %{{.*}}
// CHECK: %[[SCALED:.*]] = arith.mulf %[[CENTRE]], %{{.*}}
// CHECK: %[[P:.*]] = arith.subf %[[SCALED]], %{{.*}}
// CHECK: %[[FLOOR:.*]] = math.floor %[[P]]
// CHECK: arith.subf %[[P]], %[[FLOOR]]
// CHECK: %[[FIRST:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK: %[[LOW:.*]] = arith.maxsi %[[FIRST]], %c0
// CHECK: %[[A:.*]] = arith.minsi %[[LOW]], %c3
// CHECK: %[[SECOND:.*]] = arith.addi %[[FIRST]], %c1
// CHECK: arith.maxsi %[[SECOND]]
// CHECK: %[[B:.*]] = arith.minsi
// CHECK: halide.at @in0[%n, %[[A]], %c]
// CHECK: halide.at @in0[%n, %[[B]], %c]
// CHECK-NOT: halide.at
// CHECK: func.func @linear(
func.func @linear(%x: tensor<?x4x3xf32>) -> tensor<?x8x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32> {
    %1 = nn.resize linear %a sizes [8] half_pixel : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32>
    nn.yield %1 : tensor<?x8x3xf32>
  }
  return %0 : tensor<?x8x3xf32>
}

// -----

// Aligned corners, x * 3 / 6; four taps of Keys' kernel with a = -0.75.
// CHECK-LABEL: halide.pipeline @resize {
// CHECK: %[[STEP:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT: %[[P:.*]] = arith.mulf %{{.*}}, %[[STEP]]
// CHECK-NEXT: math.floor %[[P]]
// CHECK: arith.addi %{{.*}}, %c-1
// CHECK: arith.constant 1.250000e+00
// CHECK: arith.constant -2.250000e+00
// CHECK: arith.constant -7.500000e-01
// CHECK: arith.constant 3.750000e+00
// CHECK-COUNT-4: halide.at @in0
// CHECK-NOT: halide.at
// CHECK: func.func @cubic(
func.func @cubic(%x: tensor<?x4x3xf32>) -> tensor<?x7x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x7x3xf32> {
    %1 = nn.resize cubic %a sizes [7] align_corners : (tensor<?x4x3xf32>) -> tensor<?x7x3xf32>
    nn.yield %1 : tensor<?x7x3xf32>
  }
  return %0 : tensor<?x7x3xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @transpose_0 {
// CHECK: halide.func @transpose(%n, %x, %c) -> f32 {
// CHECK-NEXT: halide.at @in0[%n, %c, %x]
// CHECK: halide.output @transpose : tensor<?x3x4xf32>
func.func @transpose(%x: tensor<?x4x3xf32>) -> tensor<?x3x4xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x3x4xf32> {
    %1 = nn.transpose %a [0, 2, 1] : (tensor<?x4x3xf32>) -> tensor<?x3x4xf32>
    nn.yield %1 : tensor<?x3x4xf32>
  }
  return %0 : tensor<?x3x4xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @broadcast_0 {
// CHECK: halide.func @broadcast(%n, %x, %c) -> f32 {
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT: halide.at @in0[%n, %[[ZERO]], %c]
func.func @broadcast(%x: tensor<?x1x3xf32>) -> tensor<?x4x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x1x3xf32>) -> tensor<?x4x3xf32> {
    %1 = nn.broadcast %a : (tensor<?x1x3xf32>) -> tensor<?x4x3xf32>
    nn.yield %1 : tensor<?x4x3xf32>
  }
  return %0 : tensor<?x4x3xf32>
}

// -----

// A multiple of a free extent.
// CHECK-LABEL: halide.pipeline @resize {
// CHECK: %[[Y:.*]] = arith.floordivsi %y, %c2
// CHECK: halide.at @in0[%n, %[[Y]], %{{.*}}, %c]
// CHECK: func.func @multiple(
func.func @multiple(%x: tensor<1x?x?x3xf32>) -> tensor<1x?x?x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<1x?x?x3xf32>) -> tensor<1x?x?x3xf32> {
    %1 = nn.resize nearest %a sizes [-2, -2] asymmetric : (tensor<1x?x?x3xf32>) -> tensor<1x?x?x3xf32>
    nn.yield %1 : tensor<1x?x?x3xf32>
  }
  return %0 : tensor<1x?x?x3xf32>
}

// -----

// Updates one after the other, at rows that are within the data.
// CHECK-LABEL: halide.pipeline @scatter {
// CHECK: halide.update @scatter(%n, %c) over (%rm in 0 to 3)
// CHECK: %[[I:.*]] = halide.at @in1[%rm]
// CHECK: %[[ROW:.*]] = arith.minsi
// CHECK: %[[U:.*]] = halide.at @in2[%rm, %c]
// CHECK: %[[OLD:.*]] = halide.at @scatter[%[[ROW]], %c]
// CHECK: %[[SUM:.*]] = arith.addf %[[OLD]], %[[U]]
// CHECK: halide.yield %[[SUM]] at [%[[ROW]], %c] : f32
// CHECK: func.func @scatter_add(
func.func @scatter_add(%x: tensor<8x4xf32>, %i: tensor<3xi64>, %u: tensor<3x4xf32>) -> tensor<8x4xf32> {
  %0 = nn.group (%a = %x, %b = %i, %c = %u) : (tensor<8x4xf32>, tensor<3xi64>, tensor<3x4xf32>) -> tensor<8x4xf32> {
    %1 = nn.scatter add %a, %b, %c : (tensor<8x4xf32>, tensor<3xi64>, tensor<3x4xf32>) -> tensor<8x4xf32>
    nn.yield %1 : tensor<8x4xf32>
  }
  return %0 : tensor<8x4xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @iota {
// CHECK: arith.index_cast %c : index to i64
// CHECK: func.func @positions(
func.func @positions(%x: tensor<1x?xf32>) -> tensor<1x?xi64> {
  %0 = nn.group (%a = %x) : (tensor<1x?xf32>) -> tensor<1x?xi64> {
    %1 = nn.iota %a dim 1 : (tensor<1x?xf32>) -> tensor<1x?xi64>
    nn.yield %1 : tensor<1x?xi64>
  }
  return %0 : tensor<1x?xi64>
}

// -----

// Sizes are read from buffers.
// CHECK-LABEL: halide.pipeline @range {
// CHECK: arith.index_cast %c : index to i64
// CHECK-LABEL: halide.pipeline @size {
// CHECK: %[[N:.*]] = halide.extent @in0, 1
// CHECK: arith.floordivsi %[[N]], %c2
// CHECK: call @range(%arg0)
func.func @sizes(%x: tensor<1x?xf32>) -> (tensor<?xi64>, tensor<1xi64>) {
  %0 = nn.group (%a = %x) : (tensor<1x?xf32>) -> tensor<?xi64> {
    %1 = nn.range affine_map<()[s0, s1] -> (s1 * 2)> of %a : (tensor<1x?xf32>) -> tensor<?xi64>
    nn.yield %1 : tensor<?xi64>
  }
  %2 = nn.group (%a = %x) : (tensor<1x?xf32>) -> tensor<1xi64> {
    %3 = nn.size affine_map<()[s0, s1] -> (s1 floordiv 2)> of %a : (tensor<1x?xf32>) -> tensor<1xi64>
    nn.yield %3 : tensor<1xi64>
  }
  return %0, %2 : tensor<?xi64>, tensor<1xi64>
}

// -----

// A known box of a free dimension stays within it.
// CHECK-LABEL: halide.pipeline @slice {
// CHECK: %[[AT:.*]] = arith.addi %c, %c1
// CHECK: %[[N:.*]] = halide.extent @in0, 1
// CHECK: %[[LAST:.*]] = arith.addi %[[N]], %c-1
// CHECK: %[[IN:.*]] = arith.minsi %[[AT]], %[[LAST]]
// CHECK: halide.at @in0[%n, %[[IN]]]
func.func @box(%x: tensor<2x?xf32>) -> tensor<2x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<2x?xf32>) -> tensor<2x3xf32> {
    %1 = nn.slice %a starts [0, 1] sizes [2, 3] strides [1, 1] : (tensor<2x?xf32>) -> tensor<2x3xf32>
    nn.yield %1 : tensor<2x3xf32>
  }
  return %0 : tensor<2x3xf32>
}

// -----

// Parts of free sizes stand behind each other.
// CHECK-LABEL: halide.pipeline @concat {
// CHECK: %[[NONE:.*]] = halide.undef : f32
// CHECK-NEXT: halide.yield %[[NONE]] : f32
// CHECK: halide.update @concat(%n, %c) over (%rc in 0 to extent(@in0, 1))
// CHECK: halide.update @concat(%n, %c) over (%rc in 0 to extent(@in1, 1))
// CHECK: halide.extent @in0, 1
func.func @joined(%x: tensor<2x?xf32>, %y: tensor<2x?xf32>) -> tensor<2x?xf32> {
  %0 = nn.group (%a = %x, %b = %y) : (tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<2x?xf32> {
    %1 = nn.concat %a, %b dim 1 : (tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<2x?xf32>
    nn.yield %1 : tensor<2x?xf32>
  }
  return %0 : tensor<2x?xf32>
}

// -----

// A reshape in a group drops a dimension of size one; one value needs no input's elements.
// CHECK-LABEL: halide.pipeline @slice_map {
// CHECK: halide.func @slice(%n, %x, %c) -> f32 {
// CHECK: %[[AT:.*]] = arith.addi %n, %c1
// CHECK: halide.at @in0[%[[AT]], %x, %c]
// CHECK: halide.func @reshape(%n, %c) -> f32 {
// CHECK: halide.at @slice[%c0, %n, %c]
// CHECK-LABEL: halide.pipeline @full {
// CHECK: arith.constant 1.000000e+00 : f32
// CHECK-NOT: halide.at
// CHECK: halide.output @full : tensor<?x4xf32>
func.func @gate(%z: tensor<2x?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = nn.group (%a = %z) : (tensor<2x?x4xf32>) -> tensor<?x4xf32> {
    %1 = nn.slice %a starts [1, 0, 0] sizes [1, -1, 4] strides [1, 1, 1] : (tensor<2x?x4xf32>) -> tensor<1x?x4xf32>
    %2 = nn.reshape %1 from [1, 2] : tensor<1x?x4xf32> to tensor<?x4xf32>
    %3 = nn.map (%2) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    ^bb0(%e: f32):
      %4 = math.exp %e : f32
      nn.yield %4 : f32
    }
    nn.yield %3 : tensor<?x4xf32>
  }
  %5 = nn.group (%a = %z) : (tensor<2x?x4xf32>) -> tensor<?x4xf32> {
    %6 = nn.full 1.0 like %a from [1, -1] : tensor<2x?x4xf32> to tensor<?x4xf32>
    nn.yield %6 : tensor<?x4xf32>
  }
  return %0, %5 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Backwards, three apart: element (7 - c) / 3 where that is whole.
// CHECK-LABEL: halide.pipeline @slice_grad {
// CHECK: %[[DISTANCE:.*]] = arith.subi %c7, %c
// CHECK: %[[ELEMENT:.*]] = arith.floordivsi %[[DISTANCE]], %c3
// CHECK: arith.cmpi slt, %[[ELEMENT]], %c3
// CHECK: %[[START:.*]] = arith.muli %[[ELEMENT]], %c3
// CHECK: arith.cmpi eq, %[[START]], %[[DISTANCE]]
// CHECK: arith.select
func.func @sg(%g: tensor<?x3xf32>, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = nn.group (%a = %g, %b = %x) : (tensor<?x3xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
    %1 = nn.slice_grad %a like %b starts [0, 7] strides [1, -3] : (tensor<?x3xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    nn.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}
// What a concatenation outside kernels joins is written where the result of the outermost one is, and read from there.
// CHECK-LABEL: halide.pipeline @map {
// CHECK: halide.input @in0 : tensor<?x16xf32>
// CHECK: halide.output @map : tensor<?x16xf32, #halide.pitch<64>>
// CHECK-LABEL: halide.pipeline @softmax {
// CHECK: halide.input @in0 : tensor<?x5x16xf32, #halide.pitch<64>>
// CHECK: halide.output @{{.*}} : tensor<?x5x16xf32, #halide.pitch<64>>
// CHECK-LABEL: halide.pipeline @softmax_0 {
// CHECK: halide.input @in0 : tensor<?x5x32xf32, #halide.pitch<64>>
// CHECK: halide.output @{{.*}} : tensor<?x5x32xf32, #halide.pitch<64>>
// CHECK-LABEL: halide.pipeline @softmax_1 {
// CHECK: halide.input @in0 : tensor<?x5x64xf32>
// CHECK: halide.output @{{.*}} : tensor<?x5x64xf32>
// CHECK-LABEL: func.func @join
// CHECK: %[[A:.*]] = halide.call @map(
// CHECK: %[[AR:.*]] = nn.reshape %[[A]]
// CHECK: %[[B:.*]] = halide.call @softmax(%[[AR]])
// CHECK: %[[AB:.*]] = nn.concat %[[AR]], %[[B]]
// CHECK: %[[C:.*]] = halide.call @softmax_0(%[[AB]])
// CHECK: nn.concat %[[AB]], %[[C]]
func.func @join(%x: tensor<?x16xf32>) -> tensor<?x5x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x16xf32>) -> tensor<?x16xf32> {
    %v = nn.map (%a) : (tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32):
      %m = math.exp %e : f32
      nn.yield %m : f32
    }
    nn.yield %v : tensor<?x16xf32>
  }
  %1 = nn.reshape %0 from [-1, -1, -1] : tensor<?x16xf32> to tensor<?x5x16xf32>
  %2 = nn.group (%a = %1) : (tensor<?x5x16xf32>) -> tensor<?x5x16xf32> {
    %v = nn.softmax %a dims [2] : (tensor<?x5x16xf32>) -> tensor<?x5x16xf32>
    nn.yield %v : tensor<?x5x16xf32>
  }
  %3 = nn.concat %1, %2 dim 2 : (tensor<?x5x16xf32>, tensor<?x5x16xf32>) -> tensor<?x5x32xf32>
  %4 = nn.group (%a = %3) : (tensor<?x5x32xf32>) -> tensor<?x5x32xf32> {
    %v = nn.softmax %a dims [2] : (tensor<?x5x32xf32>) -> tensor<?x5x32xf32>
    nn.yield %v : tensor<?x5x32xf32>
  }
  %5 = nn.concat %3, %4 dim 2 : (tensor<?x5x32xf32>, tensor<?x5x32xf32>) -> tensor<?x5x64xf32>
  %6 = nn.group (%a = %5) : (tensor<?x5x64xf32>) -> tensor<?x5x64xf32> {
    %v = nn.softmax %a dims [2] : (tensor<?x5x64xf32>) -> tensor<?x5x64xf32>
    nn.yield %v : tensor<?x5x64xf32>
  }
  return %6 : tensor<?x5x64xf32>
}
