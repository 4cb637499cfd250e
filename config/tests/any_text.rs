//! Whatever is in the file, there is an answer, never a panic.

use isthmus_config::check_text;
use proptest::prelude::*;

const EXAMPLES: [&str; 4] = [
    include_str!("../examples/two-continents.yaml"),
    include_str!("../examples/self-hosted.yaml"),
    include_str!("../examples/ops.yaml"),
    include_str!("complaints/unavailable.yaml"),
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let Err(complaints) = check_text("any.yaml", text, &|name| Some(name.to_lowercase())) else {
        return Ok(());
    };
    prop_assert!(!complaints.is_empty(), "refused without a reason");
    for complaint in complaints {
        let line = complaint.to_string();
        prop_assert!(!line.contains(char::is_control), "{line:?} is not one line");
        if let Some(position) = complaint.position {
            // A lone carriage return ends a line of YAML too.
            let lines = 1 + text.matches(['\n', '\r']).count();
            prop_assert!((1..=lines).contains(&position.line), "{line} is outside of the file");
        }
    }
    Ok(())
}

/// Pieces of the language, put together at random: closer to a configuration than noise.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("version: 1\n"),
        Just("server:\n"),
        Just("providers:\n"),
        Just("endpoints:\n"),
        Just("models:\n"),
        Just("  chat:\n"),
        Just("  listen: "),
        Just("    kind: embedded\n"),
        Just("<<: *a\n"),
        Just("&a "),
        Just("*a"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just(": "),
        Just("- "),
        Just("? "),
        Just("\n"),
        Just("\t"),
        Just("  "),
        Just("'"),
        Just("\""),
        Just("|\n"),
        Just(">-\n"),
        Just("---\n"),
        Just("...\n"),
        Just("%YAML 1.2\n"),
        Just("!!str "),
        Just("${A}"),
        Just("${"),
        Just("os.environ/"),
        Just("#"),
        Just("null"),
        Just("5s"),
        Just("é"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    // Nothing is written beside the sources: a failure prints its text, which then becomes a case of
    // `complaints/`.
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..Default::default() })]

    #[test]
    fn noise(text in ".{0,200}") {
        check(&text)?;
    }

    #[test]
    fn noise_in_pieces(text in pieces()) {
        check(&text)?;
    }

    #[test]
    fn an_example_with_a_piece_cut_out_or_put_in(
        which in 0..EXAMPLES.len(),
        from in any::<prop::sample::Index>(),
        length in 0usize..40,
        put_in in pieces(),
    ) {
        let characters: Vec<char> = EXAMPLES[which].chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        let text: String =
            characters[..from].iter().copied().chain(put_in.chars()).chain(characters[to..].iter().copied()).collect();
        check(&text)?;
    }
}
