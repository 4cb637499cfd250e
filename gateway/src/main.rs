//! The program `isthmus`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How memory is kept at hand for a thread that allocates again at once what it frees: by default a look
/// through it every 64 KiB, which is two or three requests, and 20 pieces of a size. A call's future and
/// the buffers of its connections are of sizes of which jemalloc keeps the fewest. The options are in its
/// manual, under `MALLOC_CONF`.
#[expect(unsafe_code, reason = "the name under which jemalloc looks for it")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATION: &[u8; 56] = b"tcache_gc_incr_bytes:2097152,tcache_nslots_small_min:64\0";

fn main() -> ExitCode {
    isthmus_gateway::cli::run()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::ALLOCATION;

    #[test]
    fn the_allocator_takes_its_options() {
        // The name is that of jemalloc's environment variable; at its end the process tells what it took.
        let this = Command::new(env::current_exe().unwrap())
            .arg("--list")
            .env("_RJEM_MALLOC_CONF", "stats_print:true")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&this.stderr);
        let options = std::str::from_utf8(ALLOCATION).unwrap().trim_end_matches('\0');
        for option in options.split(',') {
            let line = format!("opt.{}\n", option.replace(':', ": "));
            assert!(told.contains(&line), "{line} is not in {told}");
        }
    }
}
