//! The committed header is what the sources give. After a wanted change run
//! `MFACORE_HEADER=write cargo test -p mfacore-selftest --test header`, and read the difference.
#![allow(missing_docs)]

use std::path::Path;

#[test]
fn the_committed_header_is_that_of_the_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(folder).with_config(config).generate().unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).unwrap();
    let path = folder.join("../../include/mfacore_selftest.h");
    if std::env::var_os("MFACORE_HEADER").is_some_and(|value| value == "write") {
        std::fs::write(&path, &header).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (wanted, found)) in committed.lines().zip(header.lines()).enumerate() {
        assert_eq!(wanted, found, "include/mfacore_selftest.h, line {}", line + 1);
    }
    assert!(committed == header, "include/mfacore_selftest.h is of another length");
}
