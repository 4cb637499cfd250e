//! `docs/providers.md` is the registry, written for people. Run with `ISTHMUS_BLESS=1`, it is written
//! anew.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::fmt::Write;
use std::path::Path;

use isthmus_adapters::registry::{Continent, PROVIDERS, Provider, Shape};
use isthmus_inference::capability::Capabilities;
use isthmus_inference::request::Dialect;

const HEAD: &str = "\
# Providers

*Written by the test `providers_page` from the registry (`adapters/src/registry.rs`); changes belong there.*

An account is written under `providers:` as `name: { kind: … }`, or exists by itself, named like its kind, once \
one of its variables is set. Callers speak OpenAI chat (with legacy completions and embeddings), OpenAI \
Responses or Anthropic Messages to any of them. Where the provider speaks the caller's own language the bytes \
pass as they are (*relayed*), but for the model's name; elsewhere requests and answers are written anew, what \
cannot be carried is refused or named in `x-isthmus-dropped-params`.

*Custom tools* (OpenAI's, which take free text) go to OpenAI's and Azure's models as what they are, from chat and from \
Responses to either. For every other model a function stands in, whose one argument `input` is the text; its calls \
come back as the custom tool's, streamed ones piece by piece. A `format` that is a grammar cannot be kept to by \
such a model, so that endpoint is not asked. Where OpenAI's language is relayed, the provider sees the tool as it is.

*Citations* are told in the caller's words. Pages on the web (found by a provider's search, or named by a document's or \
a tool result's `url`) are `url_citation` in OpenAI's two languages and `web_search_result_location` in Messages; \
the latter lacks Anthropic's proof, so it is taken out again if the conversation goes on at Anthropic. Documents of \
the request are `file_citation` in Responses, and `char_location`, `page_location` or `content_block_location` in \
Messages; chat completions have no word for them. Places in the answer's text are given as \
characters where the provider tells them (Anthropic, Bedrock, Cohere, OpenAI, and Google, whose bytes are counted \
anew), else they are 0. Without a place remain: sources that Google found and names for no piece, those of an \
answer of more than 256 KiB that is not all of ASCII, and those of a streamed one not of ASCII that asked for none \
of Google's tools.

Every kind takes `base_url`, `headers` and `timeouts`; an account in [`every-provider.yaml`]\
(../config/examples/every-provider.yaml) shows each at work.

*Network* is what an endpoint's `facts.network` counts as where it is not written; where the list has none, \
as with software that runs on anybody's machines, that is unknown, and counts as `decentralised`.

*Can carry* is what the language allows. A model may do less, which its endpoint's `capabilities` say.

`embedded`, the engine in this process, is no provider over the network and not in these lists: see the README.
";

#[test]
fn the_page_says_what_the_registry_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
    let page = page();
    if std::env::var_os("ISTHMUS_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/providers.md is stale: run this test with ISTHMUS_BLESS=1");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "\n| kind | provider | speaks | relayed for callers of |\n| --- | --- | --- | --- |\n",
    );
    for provider in PROVIDERS {
        let (kind, title, about) = (provider.kind, provider.title, provider.about);
        let speaks = about.dialects.join("; ");
        writeln!(page, "| [`{kind}`](#{kind}) | {title} | {speaks} | {} |", relays(provider))
            .unwrap();
    }
    for provider in PROVIDERS {
        section(&mut page, provider).unwrap();
    }
    page
}

fn relays(provider: &Provider) -> String {
    let words = provider.about.relays.iter().map(|dialect| match dialect {
        Dialect::OpenAi => "OpenAI chat",
        Dialect::Responses => "Responses",
        Dialect::Anthropic => "Messages",
    });
    or_none(words.collect::<Vec<_>>().join(", "))
}

fn section(page: &mut String, provider: &Provider) -> std::fmt::Result {
    let about = provider.about;
    writeln!(page, "\n## {}\n\n{}\n", provider.kind, provider.title)?;
    let address = match (provider.base_url, provider.base_url_derived) {
        (Some(url), _) => format!("`{url}`"),
        (None, true) => "follows from the options".to_owned(),
        (None, false) => "must be written".to_owned(),
    };
    let variable =
        provider.base_url_variable.map_or(String::new(), |name| format!(", or `{name}`"));
    writeln!(page, "- **Base URL:** {address}{variable}")?;
    writeln!(
        page,
        "- **Credential:** {}{}",
        about.credential.trim_end_matches(':'),
        sources(provider)
    )?;
    if let Some(network) = network(provider) {
        writeln!(page, "- **Network:** {network}")?;
    }
    let able: Capabilities = about.capabilities.iter().copied().collect();
    writeln!(page, "- **Can carry:** {able}")?;
    for limit in about.limits {
        writeln!(page, "- {limit}")?;
    }
    if provider.options.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n| option | holds | variables | for |\n| --- | --- | --- | --- |")?;
    for option in provider.options {
        let holds = match option.shape {
            Shape::Text => "text",
            Shape::Secret => "a secret",
            Shape::Json => "a structure",
        };
        let variables = or_none(names(option.variables));
        writeln!(page, "| `{}` | {holds} | {variables} | {} |", option.name, option.help)?;
    }
    Ok(())
}

/// What its endpoints' `facts.network` is where nobody wrote it.
fn network(provider: &Provider) -> Option<String> {
    let word = match provider.continent? {
        Continent::Cloud => "hyperscaler",
        Continent::Vendor => "vendor",
        Continent::Decentralised => return Some("`decentralised`".to_owned()),
    };
    let own = provider.base_url.and_then(|url| url.split('/').nth(2));
    let domains: Vec<&str> = match provider.domains {
        [] => own.into_iter().collect(),
        domains => domains.to_vec(),
    };
    Some(format!("`{word}`, at addresses under {}", names(&domains)))
}

/// Where the credential is found, and what makes an account exist.
fn sources(provider: &Provider) -> String {
    let mut said = String::new();
    if !provider.key_variables.is_empty() {
        let optional = if provider.key_optional { " (may be left out)" } else { "" };
        said = format!("; `api_key`{optional}, or {}", names(provider.key_variables));
    }
    if !provider.presence_variables.is_empty() {
        let others = names(provider.presence_variables);
        said = format!("{said}; the account exists where one of {others} is set, too");
    }
    said
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}
