use super::{CodeError, Interpreter, Value};

fn interpreter() -> Interpreter {
    let mut interpreter = Interpreter::default();
    interpreter.set("tcpi_snd_cwnd", 10_u64);
    interpreter.set("tcpi_ca_state", 3_u64);
    interpreter.set("TCP_CA_Recovery", 3_u64);
    interpreter
}

fn fails(code: &str) -> String {
    interpreter().run(code).expect_err(code).message
}

#[test]
fn assertions_that_hold_pass() {
    for code in [
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        "assert tcpi_ca_state == TCP_CA_Recovery, 'ca_state=%d' % tcpi_ca_state",
        "  assert 5 <= tcpi_snd_cwnd < 11\n  assert not tcpi_snd_cwnd > 10",
        "cwnd = 5; cwnd += 5; assert tcpi_snd_cwnd == cwnd",
        "assert (tcpi_snd_cwnd & 2) != 0 and tcpi_snd_cwnd & 1 == 0",
        "assert tcpi_snd_cwnd in (9, 10)\nassert 11 not in [9, 10] # a comment",
        "assert 7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2 and 7 / 2 == 3.5 and 2 ** 10 == 1 << 10",
        "assert tcpi_snd_cwnd == 10, \\\n 'continued'; assert True",
        "assert (tcpi_snd_cwnd ==\n 10)",
        "assert '%d of %s is %x, 5%%' % (3, 'b', 255) == '3 of b is ff, 5%'",
        "assert max(1, 2, 3) == 3 and min([4, 5]) == 4 and abs(-2) == 2 and int(2.9) == 2 and len('abc') == 3",
        "assert (1 if tcpi_snd_cwnd > 5 else 2) == 1",
        "x = 0x7fffffff\nassert x == 2147483647",
    ] {
        assert_eq!(interpreter().run(code), Ok(()), "{code}");
    }
}

#[test]
fn a_failed_assertion_shows_the_values() {
    assert_eq!(
        fails("assert tcpi_snd_cwnd == 12, tcpi_snd_cwnd"),
        "assert tcpi_snd_cwnd == 12 failed: tcpi_snd_cwnd is 10"
    );
    assert_eq!(
        fails("assert tcpi_ca_state != TCP_CA_Recovery, 'state %d' % tcpi_ca_state"),
        "assert tcpi_ca_state != TCP_CA_Recovery failed: TCP_CA_Recovery is 3, tcpi_ca_state is 3 (state 3)"
    );
}

#[test]
fn what_cannot_be_run_says_so_with_its_line() {
    let error = interpreter().run("assert True\nfor x in (1, 2): pass").expect_err("no loops");
    assert_eq!(
        error,
        CodeError {
            line: 1,
            message: "found 'for' in the code, expected assert, an assignment or an expression".into()
        }
    );
    assert_eq!(fails("assert unknown == 1"), "name 'unknown' is not defined");
    assert_eq!(fails("assert 1 / 0"), "operator / cannot take 1 and 0");
    assert_eq!(fails("system('x')"), "function 'system' is not known here");
    assert_eq!(fails("assert (1"), "found the end of the line in the code, expected ')'");
    assert_eq!(fails("assert 1 < 'a'"), "1 and a have no order");
}

#[test]
fn names_live_on_and_short_circuits_leave_the_rest_alone() {
    let mut interpreter = interpreter();
    interpreter.run("cwnd = 4").unwrap();
    interpreter.run("cwnd *= 2; print(cwnd, 'segments')").unwrap();
    interpreter.run("assert cwnd == 8 or unknown\nassert not (False and unknown)").unwrap();
    assert_eq!(interpreter.take_printed(), ["8 segments"]);
    assert!(Value::Integer(1).equals(&Value::Bool(true)));
}
