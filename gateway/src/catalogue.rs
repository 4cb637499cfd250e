//! The endpoints as policies see them.

use isthmus_config::settings::{Account, Endpoint, Settings};
use isthmus_policies::permit::Described;

/// Every endpoint with its facts. Its place in the list is its number in a decision.
pub fn described(settings: &Settings) -> Vec<Described> {
    settings.endpoints.values().map(|endpoint| describe(settings, endpoint)).collect()
}

/// One endpoint with its facts.
pub fn describe(settings: &Settings, endpoint: &Endpoint) -> Described {
    let account = settings.providers.get(&endpoint.provider).map(|provider| &provider.account);
    Described {
        name: endpoint.name.clone(),
        provider: endpoint.provider.clone(),
        model: endpoint.model.clone(),
        facts: endpoint.facts.clone(),
        in_process: matches!(account, Some(Account::Embedded(_))),
    }
}

#[cfg(test)]
mod tests {
    use isthmus_policies::facts::Network;

    use super::*;

    #[test]
    fn only_the_engine_in_the_process_is_in_process() {
        let text = "version: 1
providers:
  local: { kind: embedded }
  own: { kind: vllm }
  cloud: { kind: openai, api_key: sk-x }
  proxy: { kind: openai, api_key: sk-x, base_url: \"http://127.0.0.1:9001/v1\" }
endpoints:
  a: { provider: local, model: m }
  b: { provider: own, model: m, facts: { network: local } }
  c: { provider: cloud, model: m }
  d: { provider: proxy, model: m }
models: { chat: { endpoints: [cloud/e] } }";
        let settings = isthmus_config::check_text("test.yaml", text, &|_| None).unwrap().settings;
        let seen: Vec<_> = described(&settings)
            .into_iter()
            .map(|one| {
                (one.name.to_string(), one.in_process, one.facts.network.map(|fact| fact.value))
            })
            .collect();
        let expected = [
            ("a", true, Some(Network::Local)),
            ("b", false, Some(Network::Local)),
            ("c", false, Some(Network::Vendor)),
            ("cloud/e", false, Some(Network::Vendor)),
            ("d", false, None),
        ];
        assert_eq!(seen, expected.map(|(name, here, network)| (name.to_owned(), here, network)));
    }
}
