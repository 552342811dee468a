//! Shapes and numbers that are refused, the forward pass against a naive one, the tangent against f64.

use super::*;

/// Numbers from −0.5 to 0.5 that look like nothing.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap()) / 65_536.0 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn layer(inputs: usize, outputs: usize, seed: u32) -> Layer {
    Layer::new(inputs, noise(inputs * outputs, seed), noise(outputs, seed + 1)).unwrap()
}

fn sound() -> PolicyParts {
    PolicyParts {
        columns: columns().map(str::to_owned).collect(),
        actions: ActionSet::Eight,
        normalisation: Normalisation::new(vec![0.0; COLUMNS], vec![1.0; COLUMNS]).unwrap(),
        actor: vec![layer(COLUMNS, 16, 1), layer(16, 16, 3), layer(16, 8, 5)],
        critic: vec![layer(COLUMNS, 16, 7), layer(16, 1, 9)],
    }
}

#[test]
fn a_forward_pass_is_what_a_naive_one_in_double_precision_says() {
    let policy = Policy::new(sound()).unwrap();
    let observation = noise(COLUMNS, 40);
    let mut values: Vec<f64> = observation.iter().map(|&value| f64::from(value)).collect();
    let parts = policy.parts();
    for (at, layer) in parts.actor.iter().enumerate() {
        let width = layer.outputs();
        let output = |o: usize| {
            let terms = values.iter().enumerate();
            let sum: f64 = terms.map(|(i, v)| v * f64::from(layer.weights[i * width + o])).sum();
            sum + f64::from(layer.bias[o])
        };
        let outputs: Vec<f64> = (0..width).map(output).collect();
        let last = at + 1 == parts.actor.len();
        values = outputs.into_iter().map(|x| if last { x } else { x.tanh() }).collect();
    }
    for (ours, naive) in policy.logits(&observation).iter().zip(&values) {
        assert!((f64::from(*ours) - naive).abs() < 2e-6, "{ours} {naive}");
    }
    assert!(policy.value(&observation).is_some());
    let blind = Policy::new(PolicyParts { critic: Vec::new(), ..sound() }).unwrap();
    assert_eq!(blind.value(&observation), None);
    assert_ne!(blind.layout_hash(), policy.layout_hash());
}

#[test]
fn the_tangent_is_right_to_three_in_ten_million() {
    for n in -120_000..=120_000_i32 {
        let x = f64::from(n) / 10_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "the input of an f32 function")]
        let ours = tanh(x as f32);
        #[expect(clippy::cast_possible_truncation, reason = "the same input in both")]
        let exact = f64::from(x as f32).tanh();
        assert!((f64::from(ours) - exact).abs() < 3e-7, "{x}: {ours} {exact}");
    }
    assert!(tanh(f32::NAN).is_nan());
    assert!((tanh(f32::INFINITY) - 1.0).abs() < 1e-7 && (tanh(-1e30) + 1.0).abs() < 1e-7);
}

#[test]
fn what_is_no_policy_is_refused_and_says_why() {
    let refused = |change: fn(&mut PolicyParts)| {
        let mut parts = sound();
        change(&mut parts);
        Policy::new(parts).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|parts| parts.columns[2] = "volume".to_owned()),
        "trained with other columns: volume where return_3 is, at column 2"
    );
    assert!(refused(|parts| drop(parts.columns.pop())).contains("nothing where drawdown is"));
    assert!(refused(|parts| parts.columns.push("more".to_owned())).contains("more where nothing"));
    let from = "the actor does not lead from 32 columns to 8 outputs";
    assert_eq!(refused(|parts| drop(parts.actor.pop())), from);
    assert_eq!(refused(|parts| parts.actor.clear()), from);
    assert_eq!(refused(|parts| parts.actor[1] = layer(15, 16, 1)), from);
    assert!(refused(|parts| parts.actions = ActionSet::Seven).contains("to 7 outputs"));
    assert!(refused(|parts| parts.critic[1].bias[0] = f32::NAN).contains("the critic is not"));
    assert!(Layer::new(3, vec![0.0; 5], vec![0.0; 2]).is_err());
    assert!(Layer::new(usize::MAX, vec![0.0; 5], vec![0.0; 2]).is_err());
    assert!(Layer::new(0, Vec::new(), vec![0.0]).is_err());
}

#[test]
fn an_opinion_is_the_likeliest_action_and_none_where_numbers_are_broken() {
    let policy = Policy::new(sound()).unwrap();
    let market: [f32; MARKET] = noise(MARKET, 77).try_into().unwrap();
    let account = AccountView::default();
    let opinion = policy.opinion(&market, &account).unwrap();
    let sum: f64 = opinion.probabilities.iter().map(|share| share.get()).sum();
    assert!((sum - 1.0).abs() < 1e-12 && opinion.probabilities.len() == 8);
    assert!(opinion.probabilities.iter().all(|share| *share <= opinion.probability));
    let row = policy.observe(&market, &account);
    assert_eq!(policy.actions().actions()[argmax(&policy.logits(&row))], opinion.action);
    assert!(row[MARKET..].iter().all(|column| column.to_bits() == 0));
    let mut broken = market;
    broken[4] = f32::NAN;
    assert_eq!(policy.opinion(&broken, &account), Err(NoOpinion));
    assert_eq!(argmax(&[1.0, 2.0, 2.0]), 1, "of equals the first");
    assert_eq!(argmax(&[]), 0);
}
