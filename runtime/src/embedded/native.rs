//! The three things that llama.cpp offers only as raw C: its log, its quantiser, and its loader of
//! backends from shared objects. All unsafe code of this room but that of `kernel` is here.
#![allow(unsafe_code, reason = "the safe crate does not wrap these functions")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;

/// llama.cpp's first complaint since the last one was taken, for errors that it reports as a bare
/// null pointer. The first names the cause; those that follow only pass it on.
static COMPLAINT: Mutex<String> = Mutex::new(String::new());

/// llama.cpp, set up once for the whole process.
pub(crate) fn backend() -> Result<&'static LlamaBackend, String> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let set_up = || {
        // SAFETY: the callback is a plain function that lives as long as the program, and it is
        // given no data.
        unsafe { sys::llama_log_set(Some(log), std::ptr::null_mut()) };
        load_backends();
        LlamaBackend::init().map_err(|reason| reason.to_string())
    };
    BACKEND.get_or_init(set_up).as_ref().map_err(Clone::clone)
}

/// Takes the complaint.
pub(crate) fn complaint() -> String {
    std::mem::take(&mut *COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes a Q8_0 copy of a GGUF file.
pub(crate) fn quantize_q8_0(source: &Path, target: &Path, threads: i32) -> Result<(), String> {
    let (source, target) = (c_path(source)?, c_path(target)?);
    // SAFETY: the function only fills in a struct of plain values and returns it.
    let mut parameters = unsafe { sys::llama_model_quantize_default_params() };
    parameters.ftype = sys::LLAMA_FTYPE_MOSTLY_Q8_0;
    parameters.allow_requantize = true;
    parameters.nthread = threads;
    complaint();
    // SAFETY: both paths are C strings and the parameters a valid struct without pointers, all of
    // which outlive the call.
    let status = unsafe {
        sys::llama_model_quantize(source.as_ptr(), target.as_ptr(), &raw const parameters)
    };
    if status == 0 { Ok(()) } else { Err(complaint()) }
}

fn c_path(path: &Path) -> Result<CString, String> {
    CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| "the path has a zero byte".into())
}

/// Loads the backends (`libggml-*.so`) that lie beside the program: docs/cuda.md.
#[cfg(feature = "dynamic-backend")]
fn load_backends() {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent).and_then(|folder| c_path(folder).ok());
    if let Some(folder) = folder {
        // SAFETY: the folder is a C string that outlives the call. What lies beside the program is
        // as trusted as the program.
        unsafe { sys::ggml_backend_load_all_from_path(folder.as_ptr()) };
    }
}

#[cfg(not(feature = "dynamic-backend"))]
fn load_backends() {}

/// Passes llama.cpp's log on, all of it at debug level: what it calls an error may be a normal
/// answer here, such as a model file that it does not know.
unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp gives a C string that is valid during the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    if level == sys::GGML_LOG_LEVEL_ERROR && !text.is_empty() {
        let mut complaint = COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner);
        if complaint.is_empty() {
            text.clone_into(&mut complaint);
        }
    }
    // Lone dots are a progress bar.
    if !text.trim_matches('.').is_empty() {
        tracing::debug!(target: "llama.cpp", "{text}");
    }
}
