//! A GGUF file in memory: what it says of itself, its vocabulary, its chat template.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use isthmus_inference::failure::{Failure, Kind};
use llama_cpp_2::gguf::GgufContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

use super::grammar::Grammars;
use super::guard::Spellings;
use super::quantize::q8_0_copy;
use super::template::ChatTemplate;
use super::{default_threads, native};
use crate::{EngineSettings, LoadError, ModelInfo};

/// A loaded model.
pub(crate) struct Model {
    pub(crate) llama: LlamaModel,
    pub(crate) info: ModelInfo,
    /// Why there is none, if there is none.
    pub(crate) template: Result<ChatTemplate, String>,
    pub(crate) grammars: Grammars,
    pub(crate) advice: Advice,
    pub(crate) control: Spellings,
    /// Bytes of the longest token.
    longest_token: usize,
}

/// Where neither the request nor the model's file says how to draw: what the makers of SmolLM2 advise
/// on its model card. At more, a model of this size answers a plain question with noise.
const CALM_TEMPERATURE: f32 = 0.2;
const CALM_TOP_P: f32 = 0.9;

/// How the model's makers advise to draw its tokens (`general.sampling.*`), for requests that do
/// not say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Advice {
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) top_k: u32,
}

// === impl Model ===

impl Model {
    pub(crate) fn load(settings: &EngineSettings) -> Result<Self, LoadError> {
        let backend = native::backend().map_err(LoadError::Settings)?;
        check_magic(&settings.model_path)?;
        let (architecture, file_type) = header(&settings.model_path);
        let threads = settings.threads.unwrap_or_else(default_threads);
        let path = match settings.quantize && file_type != Some(Q8_0) {
            true => q8_0_copy(&settings.model_path, threads)?,
            false => settings.model_path.clone(),
        };
        native::complaint();
        let parameters = LlamaModelParams::default().with_n_gpu_layers(settings.gpu_layers);
        let llama = LlamaModel::load_from_file(backend, &path, &parameters);
        let llama = llama.map_err(|reason| LoadError::Refused {
            path: settings.model_path.clone(),
            architecture: architecture.clone(),
            reason: Some(native::complaint())
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| reason.to_string()),
        })?;
        check_kind(&llama, &architecture)?;
        let info = describe(&llama, architecture, settings)?;
        let template = chat_template(&llama);
        let advice = Advice::of(&llama);
        let control = control(&llama);
        let longest_token = longest_token(&llama);
        let grammars = Grammars::default();
        Ok(Self { llama, info, template, grammars, advice, control, longest_token })
    }

    /// The tokens of a text; control tokens spelt in it are control tokens only if `marked`.
    pub(crate) fn tokens(&self, text: &str, marked: bool) -> Vec<u32> {
        as_numbers(self.llama.vocab().tokenize(text.as_bytes(), false, marked))
    }

    /// The tokens of a whole text, between those that this model puts around one; control tokens
    /// spelt in it are control tokens only if `marked`.
    pub(crate) fn framed_tokens(&self, text: &str, marked: bool) -> Vec<u32> {
        as_numbers(self.llama.vocab().tokenize(text.as_bytes(), true, marked))
    }

    /// Refuses a text that no number of tokens within the window can spell, before any work is put
    /// into it: to split megabytes takes seconds.
    pub(crate) fn check_size(&self, bytes: usize, param: &str) -> Result<(), Failure> {
        let window = self.info.context_window;
        if bytes <= window as usize * self.longest_token {
            return Ok(());
        }
        let message = format!(
            "`{param}` has {bytes} bytes of text, more than fit this model's context window of \
             {window} tokens; shorten it"
        );
        Err(Failure::new(Kind::ContextLength, message).with_param(param))
    }

    /// The mark that must stand before every conversation, if this model has one.
    pub(crate) fn begin(&self) -> Option<u32> {
        let vocabulary = self.llama.vocab();
        vocabulary.should_add_bos().then(|| vocabulary.bos().0 as u32)
    }

    /// The text of tokens, control tokens left out.
    pub(crate) fn text(&self, tokens: &[u32]) -> String {
        let tokens: Vec<LlamaToken> = tokens.iter().map(|&t| LlamaToken(t as i32)).collect();
        let bytes = self.llama.vocab().detokenize(&tokens, false, false);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Advice {
    fn of(llama: &LlamaModel) -> Self {
        let number = |key| llama.meta_val_str(key).ok().and_then(|text| text.parse::<f32>().ok());
        Self {
            temperature: number("general.sampling.temp").unwrap_or(CALM_TEMPERATURE),
            top_p: number("general.sampling.top_p").unwrap_or(CALM_TOP_P),
            top_k: number("general.sampling.top_k").unwrap_or(0.0) as u32,
        }
    }
}

/// How the tokens are spelt that tokenising makes only where it is told to: control tokens and the
/// one for the unknown (`tokenizer_st_partition` in llama.cpp).
fn control(llama: &LlamaModel) -> Spellings {
    let vocabulary = llama.vocab();
    let special = LlamaTokenAttr::Control | LlamaTokenAttr::Unknown;
    let control = vocabulary.tokens().filter(|&token| vocabulary.attr(token).intersects(special));
    let spelt = control.filter_map(|token| vocabulary.text(token));
    Spellings::new(spelt.map(|text| text.to_string_lossy().into_owned()))
}

fn longest_token(llama: &LlamaModel) -> usize {
    let vocabulary = llama.vocab();
    let lengths = vocabulary.tokens().map(|token| vocabulary.token_to_piece(token, true, None));
    lengths.map(|bytes| bytes.len()).max().unwrap_or(1)
}

fn as_numbers(tokens: Vec<LlamaToken>) -> Vec<u32> {
    tokens.into_iter().map(|token| token.0 as u32).collect()
}

fn check_magic(path: &Path) -> Result<(), LoadError> {
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut magic));
    read.map_err(|reason| LoadError::Unreadable {
        path: path.to_owned(),
        reason: reason.to_string(),
    })?;
    let is_gguf = magic == b"GGUF";
    if is_gguf { Ok(()) } else { Err(LoadError::NotGguf { path: path.to_owned() }) }
}

/// Architecture and file type, read without the weights.
fn header(path: &Path) -> (String, Option<u32>) {
    let file = GgufContext::from_file(path);
    let find = |key| file.as_ref().map(|file| (file, file.find_key(key))).filter(|at| at.1 >= 0);
    let architecture = find("general.architecture").and_then(|(file, at)| file.val_str(at));
    let file_type = find("general.file_type")
        .filter(|(file, at)| file.kv_type(*at) == llama_cpp_sys_2::GGUF_TYPE_UINT32)
        .map(|(file, at)| file.val_u32(at));
    (architecture.unwrap_or("unknown").to_owned(), file_type)
}

/// Refuses kinds of models that load but cannot be served.
fn check_kind(llama: &LlamaModel, architecture: &str) -> Result<(), LoadError> {
    let reason = match architecture {
        "t5" | "t5encoder" => "it is an encoder with a decoder",
        "dream" | "llada" | "llada-moe" | "rnd1" => "it makes text by diffusion",
        _ if pooling(llama, architecture) == Some(RANK) => "it ranks, and makes no text or vectors",
        _ => return Ok(()),
    };
    let architecture = architecture.to_owned();
    Err(LoadError::Unsupported { architecture, reason: reason.into() })
}

fn describe(
    llama: &LlamaModel,
    architecture: String,
    settings: &EngineSettings,
) -> Result<ModelInfo, LoadError> {
    let meta = |key: &str| llama.meta_val_str(key).ok().filter(|text| !text.is_empty());
    let embeds = embeds(llama, &architecture);
    let stem = settings.model_path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = meta("general.name").unwrap_or_else(|| stem.clone());
    let id = match (meta("general.basename"), meta("general.size_label")) {
        (Some(base), Some(size)) => slug(&format!("{base}-{size}")),
        _ => meta("general.name").map_or_else(|| slug(&stem), |name| slug(&name)),
    };
    let file_type = meta("general.file_type").and_then(|number| number.parse().ok());
    Ok(ModelInfo {
        id,
        name,
        quantization: file_type.map_or("unknown", quantization).into(),
        parameters: llama.n_params(),
        vocabulary: llama.n_vocab() as u32,
        context_window: window(llama.n_ctx_train(), settings.context_window)?,
        slots: slots(settings)?,
        embedding_length: embeds.then(|| llama.n_embd_out() as u32),
        architecture,
    })
}

fn slots(settings: &EngineSettings) -> Result<u32, LoadError> {
    // llama.cpp's own bound on sequences (`LLAMA_MAX_SEQ`) is 256, and one is nobody's.
    const MOST: u32 = 255;
    match settings.slots {
        slots @ 1..=MOST => Ok(slots),
        other => Err(LoadError::Settings(format!("`slots` is {other}; choose 1 to {MOST}"))),
    }
}

/// Long windows are for those who ask for them: memory grows with the window, and with its square
/// where a model looks both ways.
fn window(trained: u32, wished: Option<u32>) -> Result<u32, LoadError> {
    const USUAL: u32 = 2048;
    match wished.unwrap_or(trained.min(USUAL)) {
        0 => Err(LoadError::Settings("`context_window` is 0; choose at least 1".into())),
        window if window > trained => Err(LoadError::Settings(format!(
            "`context_window` is {window}, but the model was trained on {trained} tokens at most"
        ))),
        window => Ok(window),
    }
}

/// Whether the model makes vectors: its file names a way of pooling, or it looks both ways.
fn embeds(llama: &LlamaModel, architecture: &str) -> bool {
    let causal = llama.meta_val_str(&format!("{architecture}.attention.causal"));
    pooling(llama, architecture).is_some_and(|way| way != NO_POOLING)
        || causal.is_ok_and(|causal| causal == "false")
}

/// The way of pooling that the file names (`llama_pooling_type` in llama.h).
pub(crate) fn pooling(llama: &LlamaModel, architecture: &str) -> Option<u32> {
    llama.meta_val_str(&format!("{architecture}.pooling_type")).ok()?.parse().ok()
}

const NO_POOLING: u32 = 0;
const RANK: u32 = 4;

fn chat_template(llama: &LlamaModel) -> Result<ChatTemplate, String> {
    let vocabulary = llama.vocab();
    let spelt = |token: LlamaToken| match token.0 {
        ..0 => String::new(),
        _ => String::from_utf8_lossy(&vocabulary.token_to_piece(token, true, None)).into_owned(),
    };
    let source = llama.chat_template(None).ok().and_then(|template| template.to_string().ok());
    let source = source.ok_or("the model has no chat template; send a plain prompt instead")?;
    ChatTemplate::compile(source, spelt(vocabulary.bos()), spelt(vocabulary.eos()))
        .map_err(|reason| format!("the model's chat template cannot be read: {reason}"))
}

/// Lower case, with single hyphens for whatever is neither letter, digit nor dot.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '.');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

const Q8_0: u32 = 7;

/// The name of a file type (`llama_ftype` in llama.h).
fn quantization(file_type: u32) -> &'static str {
    match file_type {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        Q8_0 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11..=13 => "Q3_K",
        14 | 15 => "Q4_K",
        16 | 17 => "Q5_K",
        18 => "Q6_K",
        19..=31 => "IQ",
        32 => "BF16",
        36 | 37 => "TQ",
        38 => "MXFP4",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_fit_for_urls() {
        assert_eq!(slug("SmolLM2 135M_Instruct"), "smollm2-135m-instruct");
        assert_eq!(slug("Llama-3.1--8B"), "llama-3.1-8b");
    }

    #[test]
    fn a_long_window_must_be_asked_for() {
        assert_eq!(window(8192, None).unwrap(), 2048);
        assert_eq!(window(512, None).unwrap(), 512);
        assert_eq!(window(8192, Some(8192)).unwrap(), 8192);
        assert!(window(512, Some(513)).is_err());
        assert!(window(512, Some(0)).is_err());
    }

    #[test]
    fn a_file_that_is_missing_or_no_model_is_told_apart() {
        let load = |path: &str| Model::load(&EngineSettings::new(path)).err().unwrap();
        assert!(matches!(load("no/such.gguf"), LoadError::Unreadable { .. }));
        assert!(matches!(load("Cargo.toml"), LoadError::NotGguf { .. }));
    }
}
