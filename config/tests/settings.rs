//! What a configuration means, once it is accepted.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::collections::BTreeSet;
use std::time::Duration;

use isthmus_inference::capability::{Capabilities, Capability};

use isthmus_config::settings::cache::{PoolCache, Scope};
use isthmus_config::settings::charging::Charging;
use isthmus_config::settings::keeper::Keeper;
use isthmus_config::settings::{Account, DEFAULT_TIMEOUTS, LogFormat, LogLevel, Origin, Settings};
use isthmus_config::{check_text, load, zero};
use isthmus_ledger::catalogue::Catalogue;
use isthmus_policies::bounds::{Bound, Then};
use isthmus_policies::facts::{Network, Quantisation, Status, Tee, Trust};
use isthmus_policies::hedge::HedgeAfter;
use isthmus_policies::live::Quantile;
use isthmus_policies::offer::Pricing;
use isthmus_policies::plan::Strategy;

fn accepted(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Settings {
    let text = format!("version: 1\n{text}");
    let checked = check_text("test.yaml", &text, env).unwrap_or_else(|said| panic!("{said:#?}"));
    checked.settings
}

fn nothing(_: &str) -> Option<String> {
    None
}

/// One variable, and no other.
fn only(name: &'static str, value: &'static str) -> impl Fn(&str) -> Option<String> {
    move |asked| (asked == name).then(|| value.to_owned())
}

#[test]
fn an_almost_empty_file_has_the_defaults_of_the_contract() {
    let settings = accepted("", &nothing);
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.admin_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.server.max_body_bytes, 32 * 1024 * 1024);
    assert!(settings.server.admin_token.is_none() && !settings.server.allow_anonymous);
    assert_eq!(settings.ledger.path.to_str(), Some("isthmus.db"));
    assert_eq!(settings.telemetry.log_level, LogLevel::Info);
    assert!(settings.providers.is_empty() && settings.models.is_empty());
}

#[test]
fn a_pool_remembers_where_it_says_so() {
    let none = accepted("", &nothing).cache;
    assert_eq!((none.max_bytes, none.max_answer_bytes), (256 << 20, 1 << 20));
    assert_eq!((none.keeper, none.scope), (Keeper::Local, Scope::App));
    let text = "
providers: { local: { kind: embedded } }
models:
  plain: { endpoints: [local/m] }
  never: { endpoints: [local/m], cache: false }
  always: { endpoints: [local/m], cache: true }
  some: { endpoints: [local/m], cache: { ttl: 10m, apps: [faq], keys: [web] } }
cache: { keeper: redis, url: \"redis://127.0.0.1\", max_bytes: 64MiB, max_answer_bytes: 8KiB, ttl: 5m, scope: organisation }
";
    let settings = accepted(text, &nothing);
    let of = |name: &str| settings.models[name].cache.clone();
    assert_eq!([of("plain"), of("never"), of("always")], [None, None, Some(PoolCache::default())]);
    let apps = Some(BTreeSet::from(["faq".to_owned()]));
    let keys = Some(BTreeSet::from(["web".to_owned()]));
    let some = PoolCache { ttl: Some(Duration::from_mins(10)), apps, keys };
    assert!(some.is_for("faq", "x") && some.is_for("x", "web") && !some.is_for("x", "faq"));
    assert_eq!(of("some"), Some(some));
    assert!(PoolCache::default().is_for("anybody", "anything"));
    let cache = &settings.cache;
    assert!(matches!(cache.keeper, Keeper::Redis { .. }));
    assert_eq!((cache.max_bytes, cache.max_answer_bytes), (64 << 20, 8 << 10));
    assert_eq!((cache.ttl, cache.scope), (Duration::from_mins(5), Scope::Organisation));
}

#[test]
fn variables_override_the_doors() {
    let env = |name: &str| match name {
        "ISTHMUS_LISTEN" => Some("0.0.0.0:80".to_owned()),
        "ISTHMUS_ADMIN_LISTEN" => Some("[::1]:81".to_owned()),
        "ISTHMUS_ADMIN_TOKEN" => Some("from the environment".to_owned()),
        _ => None,
    };
    let text = "server: { listen: 127.0.0.1:1, admin_listen: 127.0.0.1:2, admin_token: written }";
    let server = accepted(text, &env).server;
    assert_eq!(server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(server.admin_listen.to_string(), "[::1]:81");
    assert_eq!(server.admin_token.unwrap().expose(), "from the environment");
}

#[test]
fn an_endpoint_means_what_it_says() {
    let settings = accepted(
        r#"
providers:
  local: { kind: embedded, timeouts: { connect: 1s, total: 2m } }
endpoints:
  one:
    provider: local
    model: some/model
    price: { input: 0.25, cache_read: "0.025", output: "2.00" }
    timeouts: { total: 3m }
    context_window: 400000
    capabilities: [chat, json_schema, chat]
    facts:
      network: { value: decentralised, until: 2027-01-01, evidence: a letter }
      jurisdiction: NO
      processing_regions: []
      certifications: [soc2, { name: iso27001, until: 2027-06-30 }]
      retention_days: 0
      trust: audited
"#,
        &nothing,
    );
    let endpoint = &settings.endpoints["one"];
    assert_eq!(endpoint.model, "some/model");
    let price = endpoint.charging.tariff().unwrap().standard().written.price;
    assert_eq!(price.input.pico_dollars_per_token(), 250_000);
    assert_eq!(price.cache_read.unwrap().pico_dollars_per_token(), 25_000);
    assert_eq!(price.reasoning, None);
    // The endpoint's own word, then its provider's, then the default.
    assert_eq!(endpoint.timeouts.total, Duration::from_secs(180));
    assert_eq!(endpoint.timeouts.connect, Duration::from_secs(1));
    assert_eq!(endpoint.timeouts.first_byte, DEFAULT_TIMEOUTS.first_byte);
    let capabilities = [Capability::Chat, Capability::JsonSchema];
    assert_eq!(endpoint.capabilities, Some(Capabilities::from_iter(capabilities)));

    let facts = &endpoint.facts;
    let network = facts.network.as_ref().unwrap();
    assert_eq!(network.value, Network::Decentralised);
    assert_eq!(network.until.unwrap().to_string(), "2027-01-01");
    assert_eq!(network.evidence.as_deref(), Some("a letter"));
    assert_eq!(facts.jurisdiction.as_ref().unwrap().value, "NO");
    assert_eq!(facts.processing_regions.as_ref().unwrap().value, BTreeSet::new());
    assert_eq!(facts.certifications[1].value, "iso27001");
    assert_eq!(facts.retention_days.as_ref().unwrap().value, 0);
    assert_eq!(facts.trust.as_ref().unwrap().value, Trust::Audited);
    assert_eq!((&facts.operator, &facts.zero_data_retention), (&None, &None));
}

#[test]
fn a_pool_may_name_a_provider_and_a_model() {
    let settings = accepted(
        r#"
providers: { local: { kind: embedded, timeouts: { total: 5s } } }
models: { chat: { endpoints: [local/a/b, local/c], fallback: false, retry: { attempts: 1 } } }
"#,
        &nothing,
    );
    let pool = &settings.models["chat"];
    assert_eq!(pool.endpoints, ["local/a/b", "local/c"]);
    assert!(!pool.fallback);
    assert_eq!(pool.retry.attempts, 1);
    let endpoint = &settings.endpoints["local/a/b"];
    assert_eq!((&endpoint.provider, &endpoint.model), (&"local".into(), &"a/b".into()));
    assert_eq!(endpoint.timeouts.total, Duration::from_secs(5));
}

#[test]
fn a_pool_is_routed_as_it_says() {
    let settings = accepted(
        r#"
providers: { local: { kind: embedded } }
endpoints:
  owned: { provider: local, model: m, limits: { rpm: 60, tpm: 1000, concurrency: 4 } }
  leased:
    provider: local
    model: n
    price: { lease_usd_per_hour: "1.89", capacity_tokens_per_second: 2400 }
models:
  plain: { endpoints: [owned] }
  chat:
    endpoints: [leased, owned]
    objective:
      minimise: cost
      subject_to: { p95_ttft_ms: 800, error_rate: 0.01, max_price_out_per_m: "12.00" }
      when_infeasible: { relax: [error_rate], then: best }
    hedge: { after: p90, max_extra_cost_percent: 1.5 }
    splice: true
  quick: { endpoints: [owned], objective: fastest, hedge: { after: 300ms } }
"#,
        &nothing,
    );
    let strategy = |name: &str| settings.models[name].strategy();
    assert_eq!(strategy("plain"), Strategy::default());
    let chat = strategy("chat");
    assert_eq!(chat.objective.aim.word, "cheapest");
    assert_eq!(chat.objective.bounds.p95_ttft, Some(0.8));
    assert_eq!(chat.objective.bounds.max_price_out, "12".parse().ok());
    let relaxed = &chat.objective.when_infeasible;
    assert_eq!((&relaxed.relax[..], relaxed.then), (&[Bound::ErrorRate][..], Then::Best));
    let hedge = chat.hedge.unwrap();
    assert_eq!(hedge.after, HedgeAfter::Quantile(Quantile::P90));
    assert!((hedge.max_extra_cost_percent - 1.5).abs() < 1e-9 && chat.splice);
    let quick = strategy("quick");
    assert_eq!(quick.objective.aim.word, "fastest");
    assert_eq!(quick.hedge.unwrap().after, HedgeAfter::Fixed(Duration::from_millis(300)));

    let limits = settings.endpoints["owned"].limits;
    assert_eq!(limits.rpm.map(u64::from), Some(60));
    assert_eq!(limits.tpm.map(u64::from), Some(1000));
    assert_eq!(limits.concurrency.map(u32::from), Some(4));
    assert_eq!(settings.endpoints["owned"].pricing(), Pricing::Unknown);
    let Pricing::Lease(lease) = settings.endpoints["leased"].pricing() else { panic!() };
    assert_eq!(lease.per_hour.to_string(), "1.89");
    assert_eq!(lease.tokens_per_second.get(), 2400);
}

#[test]
fn anchors_and_merges_say_things_once() {
    let settings = accepted(
        r#"
x-common: &common { kind: embedded, slots: 2, threads: 3 }
providers:
  one: *common
  two: { <<: *common, slots: 8 }
  three: { slots: 8, <<: [{ slots: 1, queue: 5 }, *common] }
"#,
        &nothing,
    );
    let slots_threads_queue = |name: &str| match &settings.providers[name].account {
        Account::Embedded(embedded) => (embedded.slots, embedded.threads, embedded.queue),
        Account::Remote(_) => panic!("{name} is embedded"),
    };
    assert_eq!(slots_threads_queue("one"), (Some(2), Some(3), None));
    assert_eq!(slots_threads_queue("two"), (Some(8), Some(3), None));
    assert_eq!(slots_threads_queue("three"), (Some(8), Some(3), Some(5)));
}

#[test]
fn telemetry_is_read() {
    let settings = accepted("telemetry: { log_format: json, log_level: debug }", &nothing);
    assert_eq!(settings.telemetry.log_format, LogFormat::Json);
    assert_eq!(settings.telemetry.log_level.as_str(), "debug");
}

// === accounts over the network ===

fn remote(settings: &Settings, name: &str) -> (Option<String>, Option<String>, Origin) {
    let provider = &settings.providers[name];
    match &provider.account {
        Account::Remote(account) => {
            let key = account.api_key.as_ref().map(|key| key.expose().to_owned());
            (account.base_url.clone(), key, provider.origin)
        }
        Account::Embedded(_) => panic!("{name} is remote"),
    }
}

#[test]
fn a_set_variable_makes_a_provider_exist() {
    let settings = zero(&only("OPENAI_API_KEY", "sk-1")).unwrap().settings;
    assert_eq!(remote(&settings, "openai"), (None, Some("sk-1".into()), Origin::Environment));
    assert!(zero(&only("OPENAI_API_KEY", "")).unwrap().settings.providers.len() == 1);
}

#[test]
fn what_is_written_wins_over_the_environment() {
    let text = "providers: { openai: { kind: openai, api_key: sk-2 } }";
    let settings = accepted(text, &only("OPENAI_API_KEY", "sk-1"));
    assert_eq!(remote(&settings, "openai"), (None, Some("sk-2".into()), Origin::Written));
}

#[test]
fn a_written_account_takes_its_key_from_the_usual_variable() {
    let text = "providers: { mine: { kind: openai, base_url: \"http://127.0.0.1:9001/v1\" } }";
    let settings = accepted(text, &only("OPENAI_API_KEY", "sk-1"));
    let url = Some("http://127.0.0.1:9001/v1".to_owned());
    assert_eq!(remote(&settings, "mine"), (url, Some("sk-1".into()), Origin::Written));
}

#[test]
fn a_pool_may_use_what_only_the_environment_offers() {
    let text = "models: { chat: { endpoints: [openai/gpt-5-mini] } }";
    let settings = accepted(text, &only("OPENAI_API_KEY", "sk-1"));
    assert_eq!(settings.endpoints["openai/gpt-5-mini"].provider, "openai");
}

#[test]
fn a_server_of_ones_own_exists_by_its_address() {
    let env = only("OLLAMA_BASE_URL", "http://10.0.0.5:11434/v1");
    let settings = accepted("", &env);
    let url = Some("http://10.0.0.5:11434/v1".to_owned());
    assert_eq!(remote(&settings, "ollama"), (url, None, Origin::Environment));
    assert_eq!(settings.providers.len(), 1);
}

#[test]
fn an_unknown_kind_is_answered_with_the_known_ones() {
    let env = only("KIND", "opensecret");
    let said = |kind: &str| {
        let text = format!("version: 1\nproviders: {{ one: {{ kind: \"{kind}\" }} }}");
        check_text("test.yaml", &text, &env).unwrap_err()[0].message.clone()
    };
    assert_eq!(said("opnai"), "unknown kind of provider `opnai`; did you mean `openai`?");
    let hidden = said("${KIND}");
    assert!(hidden.starts_with("unknown kind of provider `${KIND}`; the kinds are "), "{hidden}");
    assert!(hidden.contains("vllm") && hidden.ends_with("embedded"), "{hidden}");
}

// === policies ===

#[test]
fn policies_start_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.yaml");
    let written = "version: 1\npolicies: { dir: policies/, shadow_dir: /etc/isthmus/next }";
    std::fs::write(&path, written).unwrap();
    let policies = load(&path, &nothing).unwrap().settings.policies;
    assert_eq!(policies.dir, Some(folder.path().join("policies/")));
    assert_eq!(policies.shadow_dir, Some("/etc/isthmus/next".into()));
    let without = accepted("policies: { dir: null }", &nothing).policies;
    assert_eq!((without.dir, without.shadow_dir), (None, None));
}

#[test]
fn an_endpoints_network_is_its_kinds_unless_it_is_written() {
    let settings = accepted(
        r#"
providers:
  cloud: { kind: bedrock, region: eu-central-1 }
  own: { kind: vllm }
  local: { kind: embedded }
  stranger: { kind: openai, api_key: sk-1, base_url: "https://models.example.org/v1" }
endpoints:
  a: { provider: cloud, model: m }
  b: { provider: cloud, model: m, facts: { network: vendor } }
  c: { provider: own, model: m }
  d: { provider: local, model: m }
  e: { provider: stranger, model: m }
models: { chat: { endpoints: [cloud/n] } }
"#,
        &nothing,
    );
    let network =
        |name: &str| settings.endpoints[name].facts.network.as_ref().map(|fact| fact.value);
    assert_eq!(network("a"), Some(Network::Hyperscaler));
    assert_eq!(network("b"), Some(Network::Vendor));
    assert_eq!((network("c"), network("e")), (None, None));
    assert_eq!(network("d"), Some(Network::Local));
    assert_eq!(network("cloud/n"), Some(Network::Hyperscaler));
}

#[test]
fn every_fact_is_read() {
    let facts = "facts: { storage_regions: [EU], baa: { value: true, until: 2027-01-01 }, \
                 quantisation: fp8, tee: gpu, export_cleared: true, status: ga }";
    let text = format!(
        "providers: {{ local: {{ kind: embedded }} }}\n\
         endpoints: {{ one: {{ provider: local, model: m, {facts} }} }}"
    );
    let facts = accepted(&text, &nothing).endpoints["one"].facts.clone();
    assert_eq!(facts.storage_regions.unwrap().value, BTreeSet::from(["EU".to_owned()]));
    let baa = facts.baa.unwrap();
    assert_eq!((baa.value, baa.until.unwrap().to_string()), (true, "2027-01-01".to_owned()));
    assert_eq!(facts.quantisation.unwrap().value, Quantisation::Fp8);
    assert_eq!(facts.tee.unwrap().value, Tee::Gpu);
    assert!(facts.export_cleared.unwrap().value);
    assert_eq!(facts.status.unwrap().value, Status::Ga);
}

// === files ===

#[test]
fn files_that_cannot_be_read_are_complaints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.yaml");
    let said = |path: &std::path::Path| load(path, &nothing).unwrap_err()[0].to_string();

    assert!(said(&path).contains("isthmus.yaml: error: cannot be read: "), "{}", said(&path));
    assert!(said(folder.path()).contains("cannot be read: "));
    std::fs::write(&path, b"version: 1\nserver: \xff\n").unwrap();
    assert!(said(&path).ends_with("isthmus.yaml:2:1: error: this line is not UTF-8 text"));
    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(said(&path).ends_with("isthmus.yaml: error: larger than 1048576 bytes"));
    std::fs::write(&path, "\u{feff}version: 1\r\nserver: {}\r\n").unwrap();
    assert!(load(&path, &nothing).is_ok());
}

#[test]
fn what_nobody_priced_is_priced_by_the_catalogue() {
    let mut settings = accepted(
        r#"
providers:
  openai: { kind: openai, api_key: sk-x }
  bedrock: { kind: bedrock, region: us-gov-west-1 }
endpoints:
  listed: { provider: openai, model: gpt-5-mini }
  written: { provider: openai, model: gpt-5-mini, price: { input: "1", output: "2" } }
  unheard: { provider: openai, model: gpt-of-tomorrow }
  europe: { provider: bedrock, model: eu.anthropic.claude-sonnet-4-5-20250929-v1:0 }
  blocks: { provider: openai, model: m, price: { lease_uact_per_block: 1000, capacity_tokens_per_second: 10, from: 2026-11-12 } }
  coin: { provider: openai, model: m, price: { currency: TAO, input: "0.001", output: "0.002" } }
  other: { provider: openai, model: m, price: { currency: IO, input: "1", output: "2" } }
models: { chat: { endpoints: [listed, openai/gpt-5-nano] } }
ledger:
  fx_max_age: 1h
  fx:
    - { pair: TAO/USD, rate: "400", source: "https://example.org", observed_at: 2026-11-28T11:30:00Z, method: twap }
    - { pair: IO/USD, rate: "0.4", source: "https://example.org", observed_at: 2026-11-28T10:30:00Z, method: spot }
"#,
        &nothing,
    );
    assert_eq!(settings.endpoints["listed"].pricing(), Pricing::Unknown, "it depends on the day");
    // 2026-11-28, at noon.
    let unpriced = settings.price_endpoints(Catalogue::shipped(), 1_795_867_200);
    let usual = |name: &str| {
        let tariff = settings.endpoints[name].charging.tariff()?;
        Some(tariff.standard().written.clone())
    };
    let listed = usual("listed").unwrap();
    assert_eq!(
        (listed.price.input.to_string(), listed.price.output.to_string()),
        ("0.25".into(), "2.00".into())
    );
    assert_eq!(listed.source, "https://developers.openai.com/api/docs/pricing");
    assert_eq!(usual("written").unwrap().price.input.to_string(), "1.00");
    assert_eq!(usual("europe").unwrap().price.input.to_string(), "3.30");
    assert_eq!(usual("unheard"), None);
    assert!(usual("openai/gpt-5-nano").is_some());
    let coin = usual("coin").unwrap();
    assert_eq!(coin.price.input.to_string(), "0.40");
    assert_eq!(coin.converted.unwrap().rate, "400.00");
    let Charging::Lease(lease, term) = settings.endpoints["blocks"].charging else { panic!() };
    assert_eq!(lease.per_hour.to_string(), "0.60");
    assert_eq!((term.from, term.until), ("2026-11-12".parse().ok(), None));
    let [one] = &unpriced[..] else { panic!("{unpriced:?}") };
    assert_eq!(one.endpoint, "other");
    assert_eq!(settings.endpoints["other"].pricing(), Pricing::Unknown);
}

#[test]
fn prices_are_filled_in_again_when_they_may_have_changed() {
    let mut settings = accepted(
        r#"
providers: { openai: { kind: openai, api_key: sk-x } }
endpoints:
  coin: { provider: openai, model: m, price: { currency: TAO, input: "0.001", output: "0.002" } }
models: { chat: { endpoints: [coin, openai/gpt-5-nano] } }
ledger:
  fx_max_age: 1h
  fx:
    - { pair: TAO/USD, rate: "400", source: "https://example.org", observed_at: 2026-11-28T11:30:00Z, method: twap }
"#,
        &nothing,
    );
    let noon = 1_795_867_200;
    let half_an_hour = 1800;
    assert_eq!(settings.price_endpoints(Catalogue::shipped(), noon), []);
    assert_ne!(settings.endpoints["coin"].pricing(), Pricing::Unknown);
    let until = settings.prices_hold_until(noon);
    assert_eq!(until, noon + half_an_hour + 1, "as long as the rate is young enough");
    assert_eq!(settings.price_endpoints(Catalogue::shipped(), until - 1), []);
    assert_eq!(settings.price_endpoints(Catalogue::shipped(), until).len(), 1);
    assert_eq!(settings.endpoints["coin"].pricing(), Pricing::Unknown);
    assert_ne!(settings.endpoints["openai/gpt-5-nano"].pricing(), Pricing::Unknown);
    assert_eq!(settings.prices_hold_until(until), noon + 12 * 3600, "to the end of the day");
}
