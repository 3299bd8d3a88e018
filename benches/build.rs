//! Links liboath where the feature of that name asks for it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_LIBOATH").is_some() {
        println!("cargo:rustc-link-lib=oath");
    }
}
