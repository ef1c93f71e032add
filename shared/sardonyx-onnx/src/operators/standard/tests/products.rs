use super::*;
use crate::dense::Dense;
use crate::operators::Epilogue;

#[test]
fn rows_are_multiplied_by_a_constant_matrix() {
    let x = floats(&[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.0, 1.0]);
    let w = floats(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 2.0, -1.0]);
    let product = [7.0, -1.0, 1.0, -1.0];
    assert_eq!(
        run("MatMul", &[], &[x.clone(), w.clone()]).expect("fits"),
        floats(&[2, 2], &product)
    );
    let transposed = floats(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, -1.0]);
    let bias = floats(&[2], &[10.0, 20.0]);
    assert_eq!(
        run("Gemm", &[("transB", 1)], &[x.clone(), transposed, bias]).expect("fits"),
        floats(&[2, 2], &[17.0, 19.0, 11.0, 19.0])
    );
    let doubles = |tensor: &Tensor| {
        let TensorData::Fp32(values) = tensor.data() else {
            panic!("floats")
        };
        let values = values.iter().map(|value| f64::from(*value)).collect();
        Tensor::new(tensor.shape().to_vec(), TensorData::Fp64(values)).expect("fits")
    };
    let one = Tensor::new(vec![], TensorData::Fp64(vec![1.0])).expect("fits");
    assert_eq!(
        run("Gemm", &[], &[doubles(&x), doubles(&w), one]).expect("fits"),
        doubles(&floats(&[2, 2], &product.map(|value| value + 1.0)))
    );
    assert!(run("MatMul", &[], &[x.clone(), x.clone()]).is_err());
    assert!(run("MatMul", &[], &[x.clone(), doubles(&w)]).is_err());
    assert!(run("Gemm", &[], &[x.clone(), w.clone(), floats(&[3], &[0.0; 3])]).is_err());
    assert!(run("Gemm", &[("transA", 1)], &[x, w]).is_err());
}

#[test]
fn rows_are_multiplied_by_a_vector_and_added_to_what_is_not_constant() {
    let x = floats(&[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.0, 1.0]);
    let vector = floats(&[3], &[1.0, 0.0, 2.0]);
    assert_eq!(
        run("MatMul", &[], &[x.clone(), vector.clone()]).expect("fits"),
        floats(&[2], &[7.0, 1.0])
    );
    assert!(run("Gemm", &[], &[x.clone(), vector]).is_err());
    let w = floats(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 2.0, -1.0]);
    let with_bias = |bias: Tensor| run_with("Gemm", &[], &[x.clone(), w.clone(), bias], 2);
    for (shape, bias, expected) in [
        (&[2, 1][..], &[10.0, 20.0][..], [17.0, 9.0, 21.0, 19.0]),
        (&[2], &[10.0, 20.0], [17.0, 19.0, 11.0, 19.0]),
        (&[], &[1.0], [8.0, 0.0, 2.0, 0.0]),
        (&[2, 2], &[1.0, 2.0, 3.0, 4.0], [8.0, 1.0, 4.0, 3.0]),
    ] {
        assert_eq!(
            with_bias(floats(shape, bias)).expect("fits"),
            floats(&[2, 2], &expected),
            "{shape:?}"
        );
    }
    let constant = run("Gemm", &[], &[x.clone(), w.clone(), floats(&[2, 1], &[10.0, 20.0])]);
    assert_eq!(constant.expect("fits"), floats(&[2, 2], &[17.0, 9.0, 21.0, 19.0]));
    assert!(with_bias(floats(&[3, 1], &[0.0; 3])).is_err());
    assert!(with_bias(floats(&[1, 2, 2], &[0.0; 4])).is_err());
}

#[test]
fn layers_that_follow_each_other_give_what_they_give_one_by_one() {
    let numbers = |count: usize| -> Vec<f32> { (0..count).map(|index| (index % 7) as f32 - 3.0).collect() };
    let x = floats(&[500, 3], &numbers(1500));
    let (w, v) = (floats(&[3, 20], &numbers(60)), floats(&[20, 2], &numbers(40)));
    let bias = floats(&[20], &numbers(20));
    let operator = |inputs: &[&Tensor]| {
        let node = NodeProto {
            op_type: "Gemm".into(),
            ..Default::default()
        };
        let registration = find_direct("", "Gemm").expect("is registered");
        let facts = inputs
            .iter()
            .map(|input| Fact::of_constant(Arc::new((*input).clone().into())));
        let operator = read(registration, &[], &node).expect("is right");
        (operator, facts.collect::<Vec<_>>())
    };
    let (first, facts) = operator(&[&x, &w, &bias]);
    let kernel = first.kernel(&facts).expect("fits");
    let kernel = kernel.with_epilogue(&Epilogue::Relu).expect("is possible");
    let (second, facts) = operator(&[&kernel.run(&[&x]).expect("runs")[0], &v]);
    let second = second.kernel(&facts).expect("fits");
    let epilogue = second.epilogue(&facts).expect("is a layer");
    let both = kernel.with_epilogue(&epilogue).expect("fits").run(&[&x]).expect("runs");

    let hidden = run("Gemm", &[], &[x, w, bias]).expect("fits");
    let hidden = run("Relu", &[], &[hidden]).expect("fits");
    assert_eq!(both, [run("Gemm", &[], &[hidden, v]).expect("fits")]);
    assert!(kernel.with_epilogue(&first_layer()).is_none(), "3 features, not 20");
}

fn first_layer() -> Epilogue {
    let dense = Dense::new(&[1.0; 3], vec![0.0]).expect("the lengths fit");
    Epilogue::Layer(Arc::new(dense))
}
