//! What a C compiler says: the header is clean C11 and C++17, both sides agree on the layout, and tests and examples
//! run on the static library: plainly, under the sanitizers, and under valgrind.
#![allow(missing_docs)]

#[path = "support/compiler.rs"]
mod compiler;

use compiler::{WAYS, compile, is_there, root, run, succeed};

#[test]
fn the_header_is_clean_c11_and_cpp17() {
    let folder = tempfile::tempdir().unwrap();
    for (compiler, name) in [("cc", "header.c"), ("c++", "header.cpp")] {
        if is_there(compiler) {
            let source = folder.path().join(name);
            std::fs::write(&source, "#include <mfacore.h>\n#include <mfacore.h>\nint used = MFACORE_ABI;\n")
                .unwrap();
            succeed(compile(&source).arg("-c").arg("-o").arg(folder.path().join("header.o")));
        }
    }
}

/// Each program checks itself; what it prints must be `printed`.
fn runs(source: &str, arguments: &[&str], printed: &str) {
    for way in WAYS {
        if let Some(ran) = run(source, "libmfacore_c.a", arguments, way) {
            assert_eq!(ran.code, Some(0), "{source}, {way:?}: {}", ran.complained);
            assert_eq!(ran.printed, printed, "{source}, {way:?}");
        }
    }
}

#[test]
fn both_sides_agree_on_the_layout() {
    runs("bindings/c/tests/c/layout.c", &[], "");
}

#[test]
fn misuse_is_a_status_and_grants_nothing() {
    runs("bindings/c/tests/c/misuse.c", &[], "");
}

#[test]
fn one_engine_serves_many_threads() {
    runs("bindings/c/tests/c/threads.c", &[], "");
}

#[test]
fn processes_fork_before_and_after_the_first_use() {
    runs("bindings/c/tests/c/fork.c", &["mfa.db"], "");
}

#[test]
fn a_code_is_accepted_once() {
    runs("examples/c/otp.c", &[], "accepted\nrefused\n");
}

const LOGIN: &str =
    "require: required, HTTP 403\nassociate: done, HTTP 200\nverify_otp: granted, HTTP 200\nlog in ann\n";

#[test]
fn a_login_asks_whether_a_factor_is_due() {
    runs("examples/c/require.c", &[], "yes: ann must enroll or pass one\n");
}

#[test]
fn a_login_on_sqlite_is_granted() {
    runs("examples/c/login.c", &["mfa.db"], LOGIN);
}

#[test]
fn an_event_loop_holds_many_logins_at_once() {
    let told = "40 of 40 granted, at most 40 at once\none code, two logins: 1 granted, 1 refused\n";
    runs("examples/c/epoll.c", &["40"], told);
}

#[test]
fn the_cpp_layer_checks_itself() {
    runs("bindings/c/tests/cpp/layer.cpp", &[], "");
}

#[test]
fn a_login_in_cpp_is_granted() {
    runs("examples/cpp/login.cpp", &["mfa.db"], LOGIN);
}

#[test]
fn storage_and_steps_in_cpp() {
    runs("examples/cpp/own_storage.cpp", &[], "run: required\nsteps: required\n");
}

/// A reader copies what was compiled.
#[test]
fn the_pages_show_the_examples_as_they_are() {
    for (page, language, examples) in [
        ("README.md", "c", &["c/require.c"][..]),
        ("bindings/c/README.md", "c", &["c/login.c", "c/otp.c"]),
        ("bindings/c/CPP.md", "cpp", &["cpp/login.cpp", "cpp/own_storage.cpp"]),
    ] {
        let shown = std::fs::read_to_string(root().join(page)).unwrap();
        for example in examples {
            let source = std::fs::read_to_string(root().join("examples").join(example)).unwrap();
            assert!(
                shown.contains(&format!("```{language}\n{source}```\n")),
                "{page} differs from {example}"
            );
        }
    }
}
