//! Embeds every file of `assets/` and `migrations/` in the binary, so that neither folder needs a list kept by hand.
//! A build script and not a macro crate: Cargo watches the folders, and a file that was added is seen.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let mut code = String::new();
    for (constant, folder) in [("ASSETS", "assets"), ("MIGRATIONS", "migrations")] {
        let names = file_names(&Path::new(&root).join(folder))?;
        let _ = writeln!(code, "pub(crate) const {constant}: &[(&str, &[u8])] = &[");
        for name in names {
            let path = format!("/{folder}/{name}");
            let _ = writeln!(code, "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
        }
        let _ = writeln!(code, "];");
        println!("cargo:rerun-if-changed={folder}");
    }
    fs::write(Path::new(&out).join("embedded.rs"), code)
}

/// The visible files of a folder, sorted, so that the same tree gives the same binary.
fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
