// Every op that describes an algorithm is printed as it is read.
// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s
// RUN: sylvite-opt %s --mlir-print-op-generic | sylvite-opt | FileCheck %s

// CHECK-LABEL: halide.pipeline @conv_relu
// CHECK-NEXT: halide.input @x : tensor<?x28x28x1xf32>
// CHECK-NEXT: halide.input @w : tensor<3x3x1x32xf32>
halide.pipeline @conv_relu {
  halide.input @x : tensor<?x28x28x1xf32>
  halide.input @w : tensor<3x3x1x32xf32>
  // CHECK: halide.func @conv(%n, %y, %x0, %c) -> f32 {
  halide.func @conv(%n, %y, %x0, %c) -> f32 {
    %0 = arith.constant 0.0 : f32
    // CHECK: halide.yield %{{.*}} : f32
    halide.yield %0 : f32
  }
  // CHECK: halide.update @conv(%n, %y, %x0, %c) over (%ky in 0 to 3, %kx in 0 to 3, %ci in 0 to 1) where {
  // CHECK: arith.cmpi slt, %{{.*}}, %{{.*}} : index
  // CHECK: halide.yield %{{.*}} : i1
  // CHECK: } {
  halide.update @conv(%n, %y, %x0, %c) over (%ky in 0 to 3, %kx in 0 to 3, %ci in 0 to 1) where {
    %h = halide.extent @x, 1 : index
    %yy = arith.addi %y, %ky : index
    %inside = arith.cmpi slt, %yy, %h : index
    halide.yield %inside : i1
  } {
    // CHECK: %{{.*}} = halide.at @conv[%n, %y, %x0, %c] : f32
    %0 = halide.at @conv[%n, %y, %x0, %c] : f32
    %yy = arith.addi %y, %ky : index
    %xx = arith.addi %x0, %kx : index
    %a = halide.at @x[%n, %yy, %xx, %ci] : f32
    %b = halide.at @w[%ky, %kx, %ci, %c] : f32
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %0, %p : f32
    halide.yield %s : f32
  }
  halide.func @out(%n, %y, %x0, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    %0 = halide.at @conv[%n, %y, %x0, %c] : f32
    %1 = arith.maximumf %0, %zero : f32
    halide.yield %1 : f32
  }
  // CHECK: halide.output @out : tensor<?x26x26x32xf32>
  halide.output @out : tensor<?x26x26x32xf32>
}

// CHECK-LABEL: halide.pipeline @argmax
halide.pipeline @argmax {
  halide.input @x : tensor<?x?xf32>
  // CHECK: halide.func @best(%n) -> (f32, i32)
  halide.func @best(%n) -> (f32, i32) {
    %low = arith.constant -1.0e38 : f32
    %zero = arith.constant 0 : i32
    halide.yield %low, %zero : f32, i32
  }
  // CHECK: halide.update @best(%n) over (%r in 1 to extent(@x, 1))
  halide.update @best(%n) over (%r in 1 to extent(@x, 1)) {
    // CHECK: %{{.*}}:2 = halide.at @best[%n] : f32, i32
    %max, %where = halide.at @best[%n] : f32, i32
    %v = halide.at @x[%n, %r] : f32
    %i = arith.index_cast %r : index to i32
    %greater = arith.cmpf ogt, %v, %max : f32
    // CHECK: halide.undef : f32
    %undef = halide.undef : f32
    %newMax = arith.select %greater, %v, %max : f32
    %newWhere = arith.select %greater, %i, %where : i32
    halide.yield %newMax, %newWhere : f32, i32
  }
  // CHECK: halide.output @best : tensor<?xf32>, tensor<?xi32>
  halide.output @best : tensor<?xf32>, tensor<?xi32>
}

// A scatter, a scalar func, an unsigned buffer, and names that SSA values cannot have.
// CHECK-LABEL: halide.pipeline @histogram
halide.pipeline @histogram {
  halide.input @bytes : tensor<?xui8>
  // CHECK: halide.func @offset() -> i32
  halide.func @offset() -> i32 {
    %one = arith.constant 1 : i32
    halide.yield %one : i32
  }
  // CHECK: halide.func @count("a b" = %[[BIN:.*]]) -> i32
  halide.func @count("a b" = %bin) -> i32 {
    %zero = arith.constant 0 : i32
    halide.yield %zero : i32
  }
  // CHECK: halide.update @count("a b" = %{{.*}}) over (%r in 0 to extent(@bytes, 0)) {
  halide.update @count(%bin) over (%r in 0 to extent(@bytes, 0)) {
    // CHECK: halide.at @bytes[%r] : i8
    %byte = halide.at @bytes[%r] : i8
    %bin1 = arith.index_castui %byte : i8 to index
    %old = halide.at @count[%bin1] : i32
    %one = halide.at @offset[] : i32
    %new = arith.addi %old, %one : i32
    // CHECK: halide.yield %{{.*}} at [%{{.*}}] : i32
    halide.yield %new at [%bin1] : i32
  }
  halide.output @count : tensor<256xi32>
}

// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<?x28x28x1xf32>, %w: tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32> {
  // CHECK: halide.call @conv_relu(%{{.*}}, %{{.*}}) {flops = 12 : i64} : (tensor<?x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32>
  %0 = halide.call @conv_relu(%x, %w) {flops = 12 : i64} : (tensor<?x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32>
  return %0 : tensor<?x26x26x32xf32>
}

// CHECK-LABEL: func.func @planned
func.func @planned(%x: memref<?x28x28x1xf32>, %w: memref<3x3x1x32xf32>, %y: memref<?x26x26x32xf32>) {
  // CHECK: halide.launch @conv_relu ins(%{{.*}}, %{{.*}} : memref<?x28x28x1xf32>, memref<3x3x1x32xf32>) outs(%{{.*}} : memref<?x26x26x32xf32>)
  halide.launch @conv_relu ins(%x, %w : memref<?x28x28x1xf32>, memref<3x3x1x32xf32>) outs(%y : memref<?x26x26x32xf32>)
  return
}

// How many blocks of elements a dimension has.
// CHECK-LABEL: halide.pipeline @blocks
halide.pipeline @blocks {
  halide.input @x : tensor<?x?xf32>
  halide.func @greatest(%n) -> f32 {
    %low = arith.constant -1.0e38 : f32
    halide.yield %low : f32
  }
  // CHECK: halide.update @greatest(%n) over (%b in 0 to extent(@x, 1) ceildiv 16) {
  halide.update @greatest(%n) over (%b in 0 to extent(@x, 1) ceildiv 16) {
    %size = arith.constant 16 : index
    %first = arith.muli %b, %size : index
    %before = halide.at @greatest[%n] : f32
    %v = halide.at @x[%n, %first] : f32
    %next = arith.maximumf %before, %v : f32
    halide.yield %next : f32
  }
  halide.output @greatest : tensor<?xf32>
}
