module {
  nn.parameter @seed : tensor<i64> = dense<12345> : tensor<i64>
  func.func @forward(%step: tensor<i64> {nn.name = "step"}, %x: tensor<?x5xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x5xf32> {nn.name = "u"}, tensor<?x1xf32> {nn.name = "n"}) {
    %s = nn.get @seed : tensor<i64>
    %u = nn.random uniform %s, %step stream 3 like %x from [0, 1] : (tensor<i64>, tensor<i64>, tensor<?x5xf32>) -> tensor<?x5xf32>
    %n = nn.random normal %s, %step stream 4 like %x from [0, -1] : (tensor<i64>, tensor<i64>, tensor<?x5xf32>) -> tensor<?x1xf32>
    return %u, %n : tensor<?x5xf32>, tensor<?x1xf32>
  }
}
