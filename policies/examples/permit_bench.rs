//! What a decision costs that nobody made before: 30 endpoints, 20 policies.
//!
//! ```sh
//! cargo run --release -p isthmus-policies --example permit_bench
//! ```
//!
//! Each figure is the median and the 99th percentile of 500 decisions, in microseconds of wall time.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]
#![allow(clippy::unwrap_used, reason = "what ships is known to be sound")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use isthmus_inference::date::Date;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::facts::{Fact, Facts, Network, Quantisation, Trust};
use isthmus_policies::permit::{Bundle, Described, Permit, Source};
use isthmus_policies::question::{Action, Context, Principal};

const ENDPOINTS: usize = 30;
const POLICIES: usize = 20;
const DECISIONS: usize = 500;

/// The starter set, which has ten rules.
const STARTER: [&str; 8] = [
    include_str!("../starter/00-permits.cedar"),
    include_str!("../starter/certificates.cedar"),
    include_str!("../starter/decentralised.cedar"),
    include_str!("../starter/health.cedar"),
    include_str!("../starter/quantisation.cedar"),
    include_str!("../starter/residency.cedar"),
    include_str!("../starter/secrets.cedar"),
    include_str!("../starter/training.cedar"),
];

fn main() {
    let bundle = Arc::new(bundle());
    assert_eq!(bundle.rules().len(), POLICIES);
    let catalogue: Vec<Described> = (0..ENDPOINTS).map(endpoint).collect();
    let day = Date::new(2027, 1, 15).unwrap();
    let built = measured(|| drop(black_box(Permit::new(Arc::clone(&bundle), &catalogue, day))));
    println!("a permit over {ENDPOINTS} endpoints     {built}");
    let permit = Permit::new(bundle, &catalogue, day).unwrap();
    let principal = Principal {
        organisation: "acme".to_owned(),
        team: "support".to_owned(),
        app: "helpdesk".to_owned(),
    };
    for class in [DataClass::Public, DataClass::Pii, DataClass::Secret] {
        let context = context(class);
        let allowed = permit.decide(&principal, Action::Route, &context).allowed.len();
        let cost = measured(|| drop(black_box(permit.decide(&principal, Action::Route, &context))));
        println!("{:<13} allows {allowed:>2} of {ENDPOINTS}  {cost}", class.as_str());
    }
}

fn bundle() -> Bundle {
    let mut text = STARTER.concat();
    for number in 10..POLICIES {
        writeln!(
            text,
            "@id(\"team-{number}\") forbid (principal in Team::\"team-{number}\", action, resource)
             when {{ resource.retention_days > {number} && !resource.zero_data_retention }};"
        )
        .unwrap();
    }
    Bundle::read(&[Source { file: "all.cedar".to_owned(), text }]).unwrap()
}

fn endpoint(number: usize) -> Described {
    fn fact<T>(value: T) -> Option<Fact<T>> {
        Some(Fact { value, until: None, evidence: None })
    }
    let place = ["DE", "eu-central-1", "FR", "US", "EU"][number % 5];
    let places = || fact(BTreeSet::from([place.to_owned()]));
    let held = ["soc2", "iso27001", "c5"][..number % 4].iter();
    let facts = Facts {
        network: fact(Network::WORDS[number % 4].1),
        trust: fact(Trust::WORDS[number % 3].1),
        quantisation: fact(Quantisation::WORDS[number % 8].1),
        processing_regions: places(),
        storage_regions: places(),
        certifications: held.filter_map(|name| fact((*name).to_owned())).collect(),
        retention_days: fact(30),
        trains_on_data: fact(number.is_multiple_of(7)),
        baa: fact(number.is_multiple_of(2)),
        ..Facts::default()
    };
    let (name, provider) = (format!("endpoint-{number}"), format!("account-{}", number % 10));
    let (name, provider) = (name.into(), provider.into());
    Described { name, provider, model: "model".into(), facts, in_process: false }
}

fn context(class: DataClass) -> Context {
    Context {
        class: Class::only(class),
        declared: true,
        subject_regions: BTreeSet::from(["DE".to_owned()]),
        allowed_regions: Some(BTreeSet::from(["EU".to_owned()])),
        purpose: "support".to_owned(),
    }
}

fn measured(mut work: impl FnMut()) -> String {
    (0..DECISIONS / 10).for_each(|_| work());
    let mut times: Vec<f64> = (0..DECISIONS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    format!("p50 {:>7.0} µs  p99 {:>7.0} µs", at(0.5), at(0.99))
}
