//! Model files: what they say of themselves, and what is said of those that cannot be served.

use std::fs;

use isthmus_runtime::{Engine, EngineSettings, LoadError};

use crate::support::{chat_model, engine, settings};

fn refusal(settings: &EngineSettings) -> LoadError {
    Engine::load(settings).err().unwrap()
}

/// A GGUF file with one field and no tensors (version 3 of the format, as ggml's `gguf.md` has it).
fn header_of(architecture: &str) -> Vec<u8> {
    const STRING: u32 = 8;
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let (version, tensors, fields) =
        (3_u32.to_le_bytes(), 0_u64.to_le_bytes(), 1_u64.to_le_bytes());
    [
        b"GGUF".as_slice(),
        &version,
        &tensors,
        &fields,
        &text("general.architecture"),
        &STRING.to_le_bytes(),
        &text(architecture),
    ]
    .concat()
}

#[test]
fn a_model_describes_itself() {
    let info = engine().info();
    assert_eq!((info.id.as_str(), info.architecture.as_str()), ("smollm2-135m", "llama"));
    assert_eq!((info.vocabulary, info.context_window), (49_152, 512));
    assert!((134_000_000..136_000_000).contains(&info.parameters), "{}", info.parameters);
    assert_eq!(info.embedding_length, None);
}

#[test]
fn a_q8_0_copy_is_made_once_and_served() {
    let wanted = EngineSettings { quantize: true, slots: 1, ..settings(chat_model()) };
    assert_eq!(Engine::load(&wanted).unwrap().info().quantization, "Q8_0");
    let copy = chat_model().with_file_name(format!(
        "{}-q8_0.gguf",
        chat_model().file_stem().unwrap().to_string_lossy()
    ));
    let made = fs::metadata(&copy).unwrap().modified().unwrap();
    Engine::load(&wanted).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), made);
}

#[test]
fn files_that_cannot_be_served_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let unreadable = refusal(&EngineSettings::new(&path)).to_string();
    assert!(unreadable.contains("model.gguf") && unreadable.contains("model_path"), "{unreadable}");
    fs::write(&path, "no model").unwrap();
    assert!(matches!(refusal(&EngineSettings::new(&path)), LoadError::NotGguf { .. }));
    fs::write(&path, header_of("nonesuch")).unwrap();
    let refused = refusal(&EngineSettings::new(&path)).to_string();
    assert!(refused.contains("architecture `nonesuch`"), "{refused}");
    let whole = fs::read(chat_model()).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let refused = refusal(&EngineSettings::new(&path)).to_string();
    assert!(refused.contains("architecture `llama`") && refused.contains("corrupted"), "{refused}");
}

#[test]
fn settings_without_meaning_are_refused() {
    let usual = || settings(chat_model());
    let window = refusal(&EngineSettings { context_window: Some(1_000_000), ..usual() });
    assert!(window.to_string().contains("8192"), "{window}");
    let slots = refusal(&EngineSettings { slots: 0, ..usual() });
    assert!(slots.to_string().contains("`slots` is 0"), "{slots}");
}
