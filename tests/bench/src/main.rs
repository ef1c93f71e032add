//! Benchmarks against ONNX Runtime and the training libraries: `make bench`.

fn main() {}
