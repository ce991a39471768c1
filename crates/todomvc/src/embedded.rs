//! The files that the build script put into the binary: the pages, and the migrations.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
