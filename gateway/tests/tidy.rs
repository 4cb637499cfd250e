//! The promises of ARCHITECTURE.md about what is *not* there, kept by looking.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may know, as in the picture of ARCHITECTURE.md.
const PICTURE: &[(&str, &[&str])] = &[
    ("inference", &[]),
    ("adapters", &["inference"]),
    ("policies", &["inference"]),
    ("ledger", &["inference"]),
    ("runtime", &["inference"]),
    ("config", &["adapters", "inference", "ledger", "policies"]),
    ("gateway", &["adapters", "config", "inference", "ledger", "policies", "runtime"]),
    // The routing laboratory tries the real decisions; see `load_tests_measure_from_outside`.
    ("loadtests", &["inference", "policies"]),
];

/// Members of the workspace that are no rooms: nothing that runs is in them.
const BESIDE_THE_ROOMS: &[&str] = &["fuzz"];

/// Where requests to providers are sent from.
const HTTP_CLIENT: &[&str] = &["adapters/src/http_client.rs", "adapters/src/http_client"];

/// Libraries that only these places may name.
const HOMES: &[(&str, &[&str])] = &[
    ("aws_credential_types", &["adapters/src/auth/sigv4.rs"]),
    ("aws_sigv4", &["adapters/src/auth/sigv4.rs"]),
    ("aws_smithy_eventstream", &["adapters/src/framing/aws_event_stream.rs"]),
    (
        "aws_smithy_types",
        &["adapters/src/auth/expiry.rs", "adapters/src/framing/aws_event_stream.rs"],
    ),
    ("axum", &["gateway/src/http", "gateway/src/http.rs"]),
    ("blake2", &["adapters/src/bittensor"]),
    ("bs58", &["adapters/src/bittensor"]),
    ("cedar_policy", &["gateway/src/proofs", "policies/src/permit", "policies/src/permit.rs"]),
    ("cedar_policy_symcc", &["gateway/src/proofs"]),
    ("hex", &["ledger/src/entry"]),
    ("hyper", &["gateway/src/http", HTTP_CLIENT[0], HTTP_CLIENT[1], "loadtests/src"]),
    ("hyper_rustls", HTTP_CLIENT),
    (
        "hyper_util",
        &[
            "gateway/src/http",
            "gateway/src/http.rs",
            HTTP_CLIENT[0],
            HTTP_CLIENT[1],
            "loadtests/src",
        ],
    ),
    ("itoa", &["gateway/src/telemetry/logs", "inference/src/money.rs", "ledger/src/entry/json.rs"]),
    (
        "jiff",
        &[
            "config/src/check/fx.rs",
            "config/src/settings/charging.rs",
            "ledger/src/fx.rs",
            "ledger/src/report/calendar.rs",
            "policies/src/budget",
        ],
    ),
    ("llama_cpp_2", &["runtime/src/embedded"]),
    ("llama_cpp_sys_2", &["runtime/src/embedded"]),
    ("miette", &["policies/src/permit"]),
    ("parquet", &["ledger/src/focus/read.rs", "ledger/src/sheet/parquet.rs"]),
    ("prometheus", &["gateway/src/telemetry", "gateway/src/http", "gateway/src/app.rs"]),
    (
        "redis",
        &[
            "gateway/src/cache.rs",
            "gateway/src/cache/redis.rs",
            "gateway/src/quota",
            "gateway/src/quota.rs",
        ],
    ),
    ("saphyr_parser", &["config/src/tree.rs"]),
    ("schnorrkel", &["adapters/src/bittensor"]),
    ("serde_saphyr", &["loadtests/src/lab"]),
    ("sha3", &["adapters/src/bittensor"]),
    ("sketches_ddsketch", &["policies/src/sketch.rs"]),
    ("smallvec", &["adapters/src/pieces.rs", "gateway/src/pipeline/plan.rs", "policies/src/plan"]),
    ("sqlx", &["ledger/src/stores"]),
    ("tiktoken_rs", &["adapters/src/tokens"]),
    ("wide", &["inference/src/outline/strings.rs"]),
];

/// Names of providers that would betray an enum of them somewhere.
const NO_PROVIDER_ENUM: [&str; 3] = ["enum Provider ", "enum ProviderKind", "Provider::OpenAi"];

/// The length, without its tests, at which a file is asked for a reason, given in its first lines.
const LONG: usize = 500;

#[test]
fn a_room_looks_only_upwards() {
    let mut wrong = vec![];
    for (room, allowed) in PICTURE {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        let known = manifest.lines().filter_map(|line| line.strip_prefix("isthmus-"));
        for other in known.filter_map(|line| line.split(['.', ' ']).next()) {
            if !allowed.contains(&other) {
                wrong.push(format!("{room} knows {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_is_in_the_picture() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().skip_while(|line| !line.starts_with("members")).skip(1);
    let mut members: Vec<_> = members
        .take_while(|line| *line != "]")
        .map(|line| line.trim().trim_matches(['"', ',']).to_owned())
        .filter(|member| !member.starts_with('#') && !BESIDE_THE_ROOMS.contains(&member.as_str()))
        .collect();
    let mut drawn: Vec<_> = PICTURE.iter().map(|(room, _)| (*room).to_owned()).collect();
    members.sort();
    drawn.sort();
    assert_eq!(members, drawn);
}

#[test]
fn policies_decide_without_async_input_or_clock() {
    let banned = ["async ", ".await", "std::fs", "std::net", "tokio", "Instant::now", "SystemTime"];
    let wrong = mentions("policies/src", &banned);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn load_tests_measure_from_outside() {
    let rooms = ["isthmus_inference", "isthmus_policies"];
    let inside = |line: &String| line.starts_with("loadtests/src/lab");
    let wrong: Vec<_> =
        mentions("loadtests/src", &rooms).into_iter().filter(|line| !inside(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_library_has_one_home() {
    let mut wrong = vec![];
    for (file, text) in sources() {
        for (library, homes) in HOMES {
            let named = [format!("{library}::"), format!("use {library};")];
            let at_home = homes.iter().any(|home| file.starts_with(home));
            if !at_home && code(&text).any(|line| named.iter().any(|named| names(line, named))) {
                wrong.push(format!("{} names {library}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_enum_of_providers() {
    let wrong: Vec<_> = ["adapters/src", "config/src", "gateway/src", "policies/src"]
        .iter()
        .flat_map(|folder| mentions(folder, &NO_PROVIDER_ENUM))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let mut wrong = vec![];
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not say what it is for", file.display()));
        }
        if file.ends_with("mod.rs") {
            wrong.push(format!("{}: name it like its folder", file.display()));
        }
        let excused = text.lines().take(12).any(|line| line.contains("Long because"));
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > LONG && !excused {
            wrong.push(format!("{} has {lines} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let wrong: Vec<_> = PICTURE
        .iter()
        .flat_map(|(room, _)| mentions(&format!("{room}/src"), &["TODO", "FIXME", "XXX"]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn dependencies_are_sorted() {
    for (room, _) in PICTURE {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        for (section, names) in sections(&manifest) {
            let mut sorted = names.clone();
            sorted.sort();
            assert_eq!(names, sorted, "[{section}] of {room}/Cargo.toml");
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file under a room's `src`, by its path from the root.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for (room, _) in PICTURE {
        collect(&root().join(room).join("src"), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
        }
    }
}

/// Lines of code under `folder` that contain one of `words`.
fn mentions(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for (file, text) in sources().into_iter().filter(|(file, _)| file.starts_with(folder)) {
        for line in code(&text) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    found
}

/// The lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether `line` contains `path` as a path's beginning, not as the end of a longer name.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_:".contains(before))
    })
}

/// The names in each dependency section, in order.
fn sections(manifest: &str) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = vec![];
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            sections.push((header.trim_end_matches(']').to_owned(), vec![]));
        } else if let Some((name, _)) = line.split_once([' ', '.'])
            && !line.starts_with('#')
            && let Some((header, names)) = sections.last_mut()
            && header.ends_with("dependencies")
        {
            names.push(name.to_owned());
        }
    }
    sections
}
