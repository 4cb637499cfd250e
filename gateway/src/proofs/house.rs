//! What the gateway sees to for every question: its strictest class is among its labels, ranks say
//! the same as words. `house.cedar` says it; the tests below hold it against what the gateway builds.

use std::sync::LazyLock;

use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::proofs::ProofError;

/// The rules, for people.
pub const TEXT: &str = include_str!("house.cedar");

static RULES: LazyLock<Result<Vec<Policy>, String>> = LazyLock::new(|| {
    let set: PolicySet = TEXT.parse().map_err(|error| format!("house.cedar: {error}"))?;
    Ok(set.policies().enumerate().map(|(number, rule)| rule.new_id(id(number))).collect())
});

/// An id that no operator's policy can have: theirs are without spaces.
fn id(number: usize) -> PolicyId {
    PolicyId::new(format!("house rule {number}"))
}

/// The policies, less what nobody can ask.
pub fn within(policies: &PolicySet) -> Result<PolicySet, ProofError> {
    let mut within = policies.clone();
    for rule in RULES.as_ref().map_err(|error| ProofError::Failed(error.clone()))? {
        within.add(rule.clone()).map_err(|error| ProofError::Failed(error.to_string()))?;
    }
    Ok(within)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use isthmus_inference::date::Date;
    use isthmus_policies::class::Class;
    use isthmus_policies::facts::{Fact, Facts, Quantisation, Trust};
    use isthmus_policies::permit::{Bundle, Described, Permit, Source};
    use isthmus_policies::question::{Action, Context, Principal};

    use super::*;

    /// Whatever the gateway asks: no rule of the house ever forbids it.
    #[test]
    fn the_gateway_asks_nothing_that_the_house_rules_out() {
        let everything = "@id(\"everything\") permit (principal, action, resource);";
        let sources = [("a", everything), ("house.cedar", TEXT)]
            .map(|(file, text)| Source { file: file.to_owned(), text: text.to_owned() });
        let bundle = Arc::new(Bundle::read(&sources).unwrap());
        let today = Date::new(2026, 11, 28).unwrap();
        let catalogue = catalogue();
        let permit = Permit::new(bundle, &catalogue, today).unwrap();
        let mut asked = 0;
        for context in contexts() {
            let decision = permit.decide(&Principal::anybody(), Action::Route, &context);
            assert_eq!(decision.allowed.len(), catalogue.len(), "{context:?}: {decision:?}");
            asked += 1;
        }
        assert_eq!(asked, 127 * 3);
    }

    /// Every class with every way to restrict regions.
    fn contexts() -> impl Iterator<Item = Context> {
        let regions = [None, Some(vec![]), Some(vec!["DE".to_owned()])];
        let classes = (0..=u8::MAX).filter_map(Class::from_bits);
        classes.flat_map(move |class| {
            regions.clone().map(|regions| Context {
                class,
                declared: true,
                subject_regions: BTreeSet::new(),
                allowed_regions: regions.map(|regions| regions.into_iter().collect()),
                purpose: String::new(),
            })
        })
    }

    /// An endpoint for every degree of trust, every quantisation, and several retentions; one in
    /// the process, and one of which nothing is known.
    fn catalogue() -> Vec<Described> {
        let trusts = Trust::WORDS
            .iter()
            .map(|(_, trust)| Facts { trust: Some(fact(*trust)), ..Facts::default() });
        let quantisations = Quantisation::WORDS.iter().map(|(_, quantisation)| Facts {
            quantisation: Some(fact(*quantisation)),
            ..Facts::default()
        });
        let retentions = [0, 30, u32::MAX]
            .map(|days| Facts { retention_days: Some(fact(days)), ..Facts::default() });
        let all = trusts.chain(quantisations).chain(retentions).chain([Facts::default()]);
        let described = all.enumerate().map(|(number, facts)| Described {
            name: format!("endpoint-{number}").as_str().into(),
            provider: "provider".into(),
            model: "model".into(),
            facts,
            in_process: number == 0,
        });
        described.collect()
    }

    fn fact<T>(value: T) -> Fact<T> {
        Fact { value, until: None, evidence: None }
    }
}
