//! What may be chosen when a model is loaded, and why a load fails.

use std::path::PathBuf;

/// How to load a model, and how much of the machine to give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The GGUF file.
    pub model_path: PathBuf,
    /// Tokens that one answer and its prompt may fill together; by default 2048, or what the model
    /// was trained on where that is less.
    pub context_window: Option<u32>,
    /// Answers that are made at the same time. Each reserves a context window of memory.
    pub slots: u32,
    /// Layers to put on the accelerator; 0 keeps all on the CPU, and more than the model has puts
    /// all of it there. Without an accelerator in the build it means nothing.
    pub gpu_layers: u32,
    /// Threads that compute; by default one less than the physical cores that this process may use.
    /// ggml's threads spin while they wait for each other: on a busy machine one thread too many made
    /// two threads 20 to 40 times slower than one.
    pub threads: Option<u32>,
    /// Answers that may wait for a slot before the next request is refused. A request waits with as
    /// many answers as it asks for.
    pub queue: usize,
    /// Serve a Q8_0 copy, made once beside the file. It computes faster than most other encodings
    /// and costs 145 MB instead of 98 MB for a model of 135 million parameters.
    pub quantize: bool,
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the model file `{}`: {reason}; check `model_path`", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file does not begin as a GGUF file does.
    #[error("`{}` is not a GGUF file; convert the model or point `model_path` at a `.gguf`", path.display())]
    NotGguf {
        /// The path as it was given.
        path: PathBuf,
    },
    /// llama.cpp refuses it: an architecture it does not know, or a damaged file.
    #[error("llama.cpp cannot load `{}` (architecture `{architecture}`): {reason}", path.display())]
    Refused {
        /// The path as it was given.
        path: PathBuf,
        /// `general.architecture` of the file.
        architecture: String,
        /// llama.cpp's own complaint.
        reason: String,
    },
    /// The model loads, but this engine cannot serve its kind.
    #[error("`{architecture}` models cannot be served: {reason}")]
    Unsupported {
        /// `general.architecture` of the file.
        architecture: String,
        /// What kind it is.
        reason: String,
    },
    /// The Q8_0 copy could not be made.
    #[error("cannot write the Q8_0 copy `{}`: {reason}; free some room or set `quantize: false`", path.display())]
    Quantize {
        /// The copy's path.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A setting has no meaning, or there is not enough memory for it.
    #[error("{0}")]
    Settings(String),
    /// The program was compiled without the feature `embedded`.
    #[error("this build has no embedded engine; build with `--features embedded`")]
    NoEngine,
}

// === impl EngineSettings ===

impl EngineSettings {
    /// The usual choices for this file.
    pub fn new(model_path: impl Into<PathBuf>) -> Self {
        Self {
            model_path: model_path.into(),
            context_window: None,
            slots: 8,
            gpu_layers: 0,
            threads: None,
            queue: 256,
            quantize: false,
        }
    }
}
