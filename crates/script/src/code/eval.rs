//! The value of an expression, and what a statement does.

use std::cmp::Ordering;

use super::Interpreter;
use super::format::format;
use super::syntax::{Action, Expr, Statement};
use super::value::Value;

/// Runs one statement; the error is for a person.
pub(super) fn execute(interpreter: &mut Interpreter, statement: &Statement) -> Result<(), String> {
    match &statement.action {
        Action::Assert(condition, message) => {
            if evaluate(interpreter, condition)?.is_true() {
                return Ok(());
            }
            let message = message.as_ref().map(|message| evaluate(interpreter, message)).transpose()?;
            Err(failed_assertion(interpreter, condition, message.as_ref()))
        }
        Action::Assign(name, operator, expr) => {
            let mut value = evaluate(interpreter, expr)?;
            if !operator.is_empty() {
                value = binary(operator, &evaluate(interpreter, &Expr::Name(name.clone()))?, &value)?;
            }
            interpreter.names.insert(name.clone(), value);
            Ok(())
        }
        Action::Evaluate(expr) => evaluate(interpreter, expr).map(|_| ()),
    }
}

/// `assert a == b failed: a is 1, b is 2 (what the script says about it)`
fn failed_assertion(interpreter: &Interpreter, condition: &Expr, message: Option<&Value>) -> String {
    let mut names = Vec::new();
    collect_names(condition, &mut names);
    names.sort_unstable();
    names.dedup();
    let values = names.iter().filter_map(|name| {
        let value = interpreter.names.get(*name)?;
        Some(format!("{name} is {value}"))
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let mut text = format!("assert {} failed", show(condition));
    if !values.is_empty() {
        text += &format!(": {values}");
    }
    match message {
        Some(Value::Text(message)) => text + &format!(" ({message})"),
        _ => text,
    }
}

fn collect_names<'a>(expr: &'a Expr, names: &mut Vec<&'a str>) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Name(name) => names.push(name),
        Expr::Call(_, list) | Expr::List(list) => list.iter().for_each(|item| collect_names(item, names)),
        Expr::Unary(_, one) => collect_names(one, names),
        Expr::Index(one, two) | Expr::Binary(_, one, two) | Expr::And(one, two) | Expr::Or(one, two) => {
            collect_names(one, names);
            collect_names(two, names);
        }
        Expr::Compare(first, others) => {
            collect_names(first, names);
            others.iter().for_each(|(_, other)| collect_names(other, names));
        }
        Expr::If(condition, yes, no) => {
            [condition, yes, no].into_iter().for_each(|part| collect_names(part, names))
        }
    }
}

/// The expression as text again, with the brackets that its form needs.
fn show(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    let inner = |expr: &Expr| match expr {
        Expr::Constant(_) | Expr::Name(_) | Expr::Call(..) | Expr::Index(..) | Expr::List(_) => show(expr),
        _ => format!("({})", show(expr)),
    };
    match expr {
        Expr::Constant(Value::Text(text)) => format!("'{text}'"),
        Expr::Constant(value) => value.to_string(),
        Expr::Name(name) => name.clone(),
        Expr::Call(name, arguments) => format!("{name}({})", list(arguments)),
        Expr::List(items) => format!("({})", list(items)),
        Expr::Index(value, index) => format!("{}[{}]", inner(value), show(index)),
        Expr::Unary("not", operand) => format!("not {}", inner(operand)),
        Expr::Unary(operator, operand) => format!("{operator}{}", inner(operand)),
        Expr::Binary(operator, left, right) => format!("{} {operator} {}", inner(left), inner(right)),
        Expr::Compare(first, others) => others
            .iter()
            .fold(inner(first), |text, (operator, other)| format!("{text} {operator} {}", inner(other))),
        Expr::And(left, right) => format!("{} and {}", inner(left), inner(right)),
        Expr::Or(left, right) => format!("{} or {}", inner(left), inner(right)),
        Expr::If(condition, yes, no) => format!("{} if {} else {}", inner(yes), inner(condition), inner(no)),
    }
}

fn evaluate(interpreter: &mut Interpreter, expr: &Expr) -> Result<Value, String> {
    match expr {
        Expr::Constant(value) => Ok(value.clone()),
        Expr::Name(name) => {
            interpreter.names.get(name).cloned().ok_or_else(|| format!("name '{name}' is not defined"))
        }
        Expr::List(items) => evaluate_all(interpreter, items).map(Value::List),
        Expr::Call(name, arguments) => {
            let arguments = evaluate_all(interpreter, arguments)?;
            call(interpreter, name, &arguments)
        }
        Expr::Index(value, index) => {
            let (value, index) = (evaluate(interpreter, value)?, evaluate(interpreter, index)?);
            let item = match (&value, index.integer().and_then(|index| usize::try_from(index).ok())) {
                (Value::List(list), Some(index)) => list.get(index).cloned(),
                _ => None,
            };
            item.ok_or_else(|| format!("{value} has no item {index}"))
        }
        Expr::Unary(operator, operand) => unary(operator, &evaluate(interpreter, operand)?),
        Expr::Binary(operator, left, right) => {
            let left = evaluate(interpreter, left)?;
            binary(operator, &left, &evaluate(interpreter, right)?)
        }
        Expr::Compare(first, others) => {
            let mut left = evaluate(interpreter, first)?;
            for (operator, other) in others {
                let right = evaluate(interpreter, other)?;
                if !compare(operator, &left, &right)? {
                    return Ok(Value::Bool(false));
                }
                left = right;
            }
            Ok(Value::Bool(true))
        }
        Expr::And(left, right) => match evaluate(interpreter, left)? {
            value if value.is_true() => evaluate(interpreter, right),
            value => Ok(value),
        },
        Expr::Or(left, right) => match evaluate(interpreter, left)? {
            value if value.is_true() => Ok(value),
            _ => evaluate(interpreter, right),
        },
        Expr::If(condition, yes, no) => {
            let branch = if evaluate(interpreter, condition)?.is_true() { yes } else { no };
            evaluate(interpreter, branch)
        }
    }
}

fn evaluate_all(interpreter: &mut Interpreter, items: &[Expr]) -> Result<Vec<Value>, String> {
    items.iter().map(|item| evaluate(interpreter, item)).collect()
}

fn call(interpreter: &mut Interpreter, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let items = match arguments {
        [Value::List(list)] => list.as_slice(),
        _ => arguments,
    };
    let wrong = || format!("{name} cannot take these arguments");
    let extreme = |keep: Ordering| {
        let mut best = items.first().cloned().ok_or_else(wrong)?;
        for item in items {
            if item.compare(&best).ok_or_else(wrong)? == keep {
                best = item.clone();
            }
        }
        Ok(best)
    };
    match (name, arguments) {
        ("print", _) => {
            let line = arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            interpreter.printed.push(line);
            Ok(Value::Nothing)
        }
        ("abs", [value]) if value.compare(&Value::Integer(0)) == Some(Ordering::Less) => unary("-", value),
        ("abs", [value]) => unary("+", value),
        ("min", _) => extreme(Ordering::Less),
        ("max", _) => extreme(Ordering::Greater),
        ("len", [Value::Text(text)]) => Ok(Value::Integer(text.chars().count() as i128)),
        ("len", [Value::List(list)]) => Ok(Value::Integer(list.len() as i128)),
        ("bool", [value]) => Ok(Value::Bool(value.is_true())),
        ("str", [value]) => Ok(Value::Text(value.to_string())),
        ("float", [value]) => value.float().map(Value::Float).ok_or_else(wrong),
        #[expect(clippy::cast_possible_truncation, reason = "int() cuts the fraction off")]
        ("int", [Value::Float(value)]) => Ok(Value::Integer(*value as i128)),
        ("int", [value]) => value.integer().map(Value::Integer).ok_or_else(wrong),
        #[expect(clippy::cast_possible_truncation, reason = "a rounded number has no fraction")]
        ("round", [value]) => {
            value.float().map(|value| Value::Integer(value.round_ties_even() as i128)).ok_or_else(wrong)
        }
        ("abs" | "len" | "bool" | "str" | "float" | "int" | "round", _) => Err(wrong()),
        _ => Err(format!("function '{name}' is not known here")),
    }
}

fn unary(operator: &str, operand: &Value) -> Result<Value, String> {
    let wrong = || format!("operator {operator} cannot take {operand}");
    match (operator, operand) {
        ("not", _) => Ok(Value::Bool(!operand.is_true())),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("+", Value::Float(value)) => Ok(Value::Float(*value)),
        ("-", _) => operand.integer().and_then(i128::checked_neg).map(Value::Integer).ok_or_else(wrong),
        ("+", _) => operand.integer().map(Value::Integer).ok_or_else(wrong),
        _ => operand.integer().map(|value| Value::Integer(!value)).ok_or_else(wrong),
    }
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<bool, String> {
    let order = || left.compare(right).ok_or_else(|| format!("{left} and {right} have no order"));
    match operator {
        "==" => Ok(left.equals(right)),
        "!=" => Ok(!left.equals(right)),
        "<" => Ok(order()? == Ordering::Less),
        "<=" => Ok(order()? != Ordering::Greater),
        ">" => Ok(order()? == Ordering::Greater),
        ">=" => Ok(order()? != Ordering::Less),
        _ => {
            let found = match (left, right) {
                (_, Value::List(list)) => list.iter().any(|item| item.equals(left)),
                (Value::Text(part), Value::Text(whole)) => whole.contains(part),
                _ => return Err(format!("{right} is nothing that {left} could be in")),
            };
            Ok(found == (operator == "in"))
        }
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    let wrong = || format!("operator {operator} cannot take {left} and {right}");
    match (operator, left, right) {
        ("%", Value::Text(pattern), _) => return format(pattern, right).map(Value::Text),
        ("+", Value::Text(one), Value::Text(two)) => return Ok(Value::Text(format!("{one}{two}"))),
        ("+", Value::List(one), Value::List(two)) => return Ok(Value::List([&one[..], two].concat())),
        _ => {}
    }
    match (left.integer(), right.integer()) {
        (Some(one), Some(two)) if operator != "/" => {
            integers(operator, one, two).map(Value::Integer).ok_or_else(wrong)
        }
        _ => {
            let (one, two) = (left.float().ok_or_else(wrong)?, right.float().ok_or_else(wrong)?);
            floats(operator, one, two).map(Value::Float).ok_or_else(wrong)
        }
    }
}

/// `None` for what has no value: a division by 0, a result out of range.
fn integers(operator: &str, one: i128, two: i128) -> Option<i128> {
    match operator {
        "+" => one.checked_add(two),
        "-" => one.checked_sub(two),
        "*" => one.checked_mul(two),
        // Python rounds towards minus infinity, and the remainder has the sign of the divisor.
        "//" => one
            .checked_div(two)
            .map(|quotient| quotient - i128::from(one % two != 0 && (one < 0) != (two < 0))),
        "%" => one
            .checked_rem(two)
            .map(|rest| if rest != 0 && (rest < 0) != (two < 0) { rest + two } else { rest }),
        "**" => one.checked_pow(u32::try_from(two).ok()?),
        "<<" => one.checked_mul(2_i128.checked_pow(u32::try_from(two).ok()?)?),
        ">>" => one.checked_shr(u32::try_from(two).ok()?),
        "&" => Some(one & two),
        "|" => Some(one | two),
        "^" => Some(one ^ two),
        _ => None,
    }
}

fn floats(operator: &str, one: f64, two: f64) -> Option<f64> {
    match operator {
        "+" => Some(one + two),
        "-" => Some(one - two),
        "*" => Some(one * two),
        "/" if two != 0.0 => Some(one / two),
        "//" if two != 0.0 => Some((one / two).floor()),
        "%" if two != 0.0 => Some(one - two * (one / two).floor()),
        "**" => Some(one.powf(two)),
        _ => None,
    }
}
