//! Arithmetic over rows: `log2((1+H3K4me3)/(1+H3K27me3))`.

use std::fmt;

/// Why a text is no formula.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at character {at} of \"{text}\"")]
pub struct FormulaError {
    /// The formula.
    pub text: String,
    /// 1-based place of the fault.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Functions of one value, and of two.
const FUNCTIONS: &[(&str, usize)] =
    &[("log2", 1), ("log10", 1), ("ln", 1), ("exp", 1), ("sqrt", 1), ("abs", 1), ("min", 2), ("max", 2)];

/// Deepest nesting: a formula is written by a person.
const DEEPEST: usize = 100;

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    /// An index into the names.
    Row(usize),
    Negated(Box<Term>),
    Binary(char, Box<Term>, Box<Term>),
    Call(&'static str, Vec<Term>),
}

/// An expression over the values of other rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    text: String,
    rows: Vec<String>,
    term: Term,
}

impl Formula {
    /// Reads `+ - * /`, parentheses, log2, log10, ln, exp, sqrt, abs, min, max, numbers and names of rows. A name that is no word
    /// stands in double quotes.
    ///
    /// # Errors
    /// Where it is none, with the place.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        let mut parser = Parser { text: text.chars().collect(), at: 0, rows: Vec::new(), depth: 0 };
        let fault = |at: usize, reason: String| FormulaError { text: text.to_owned(), at: at + 1, reason };
        let term = parser.sum().map_err(|reason| fault(parser.at, reason))?;
        match parser.peek() {
            Some(c) => Err(fault(parser.at, format!("'{c}' is not expected"))),
            None if parser.rows.is_empty() => Err(fault(0, "it names no row".to_owned())),
            None => Ok(Self { text: text.trim().to_owned(), rows: parser.rows, term }),
        }
    }

    /// Names of the rows it is made of, each once.
    pub fn rows(&self) -> &[String] {
        &self.rows
    }

    /// Its value where the rows have these values, in the order of [`Self::rows`]. NaN where any has none, and where it is not
    /// defined (the logarithm of a negative number).
    pub fn value(&self, of_rows: &[f32]) -> f32 {
        let value = eval(&self.term, of_rows);
        if value.is_finite() { value as f32 } else { f32::NAN }
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn eval(term: &Term, rows: &[f32]) -> f64 {
    match term {
        Term::Number(number) => *number,
        Term::Row(i) => rows.get(*i).map_or(f64::NAN, |v| f64::from(*v)),
        Term::Negated(term) => -eval(term, rows),
        Term::Binary(sign, a, b) => {
            let (a, b) = (eval(a, rows), eval(b, rows));
            match sign {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                _ => a / b,
            }
        }
        Term::Call(name, of) => {
            let at = |i: usize| of.get(i).map_or(f64::NAN, |t| eval(t, rows));
            let (a, b) = (at(0), at(1));
            match *name {
                "log2" => a.log2(),
                "log10" => a.log10(),
                "ln" => a.ln(),
                "exp" => a.exp(),
                "sqrt" => a.sqrt(),
                "abs" => a.abs(),
                // What is missing on one side is missing: f64::min would take the other.
                _ if a.is_nan() || b.is_nan() => f64::NAN,
                "min" => a.min(b),
                _ => a.max(b),
            }
        }
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    rows: Vec<String>,
    depth: usize,
}

impl Parser {
    fn peek(&mut self) -> Option<char> {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> Result<(), String> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(c) => Err(format!("'{wanted}' is expected, not '{c}'")),
            None => Err(format!("'{wanted}' is missing")),
        }
    }

    fn sum(&mut self) -> Result<Term, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("too deeply nested".to_owned());
        }
        let mut term = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            term = Term::Binary(sign, Box::new(term), Box::new(self.product()?));
        }
        self.depth -= 1;
        Ok(term)
    }

    fn product(&mut self) -> Result<Term, String> {
        let mut term = self.factor()?;
        while let Some(sign @ ('*' | '/')) = self.peek() {
            self.at += 1;
            term = Term::Binary(sign, Box::new(term), Box::new(self.factor()?));
        }
        Ok(term)
    }

    fn factor(&mut self) -> Result<Term, String> {
        let mut is_negative = false;
        while self.peek() == Some('-') {
            self.at += 1;
            is_negative = !is_negative;
        }
        let term = match self.peek() {
            None => return Err("a value is missing".to_owned()),
            Some('(') => {
                self.at += 1;
                let term = self.sum()?;
                self.take(')')?;
                term
            }
            Some('"') => {
                self.at += 1;
                let name = self.taken_while(|c| c != '"');
                self.take('"')?;
                self.row(name)
            }
            Some(c) if c.is_ascii_digit() || c == '.' => {
                let digits = self.taken_while(|c| c.is_ascii_digit() || c == '.');
                // 5mC is a name, 5 a number.
                let tail = self.taken_while(is_word);
                match tail.is_empty() {
                    true => Term::Number(digits.parse().map_err(|_| format!("\"{digits}\" is no number"))?),
                    false => self.row(digits + &tail),
                }
            }
            Some(c) if is_word(c) => {
                let name = self.taken_while(is_word);
                match FUNCTIONS.iter().find(|(known, _)| *known == name) {
                    Some(&(known, n)) if self.peek() == Some('(') => self.call(known, n)?,
                    _ => self.row(name),
                }
            }
            Some(c) => return Err(format!("'{c}' is not expected")),
        };
        Ok(if is_negative { Term::Negated(Box::new(term)) } else { term })
    }

    fn call(&mut self, name: &'static str, n: usize) -> Result<Term, String> {
        self.take('(')?;
        let mut of = vec![self.sum()?];
        for _ in 1..n {
            self.take(',')?;
            of.push(self.sum()?);
        }
        self.take(')')?;
        Ok(Term::Call(name, of))
    }

    fn row(&mut self, name: String) -> Term {
        let at = self.rows.iter().position(|r| *r == name).unwrap_or_else(|| {
            self.rows.push(name);
            self.rows.len() - 1
        });
        Term::Row(at)
    }

    fn taken_while(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let from = self.at;
        while self.text.get(self.at).is_some_and(|c| is_part(*c)) {
            self.at += 1;
        }
        self.text[from..self.at].iter().collect()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_.@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, rows: &[f32]) -> f32 {
        Formula::parse(text).unwrap().value(rows)
    }

    #[test]
    fn arithmetic_is_that_of_school() {
        let fold = Formula::parse("log2((1+H3K4me3)/(1+\"H3K27me3 (rep 1)\"))").unwrap();
        assert_eq!(fold.rows(), ["H3K4me3", "H3K27me3 (rep 1)"]);
        assert_eq!(fold.value(&[7.0, 1.0]), 2.0);
        assert_eq!(value("a + 2 * b - a / 4", &[8.0, 3.0]), 12.0);
        assert_eq!(value("-(a - b) * -2", &[5.0, 2.0]), 6.0);
        assert_eq!(value("10 - a - 1", &[4.0]), 5.0, "from the left");
        assert_eq!(value("max(a, 3) + min(a, 3) + abs(-a) + sqrt(16)", &[2.0]), 3.0 + 2.0 + 2.0 + 4.0);
        assert_eq!(value("1 - 5mC", &[0.25]), 0.75);
        assert_eq!(value("a@S02 - a", &[3.0, 1.0]), 2.0);
    }

    #[test]
    fn what_is_missing_or_undefined_is_a_gap() {
        for (text, rows) in
            [("a+b", [1.0, f32::NAN]), ("max(a,b)", [1.0, f32::NAN]), ("log2(a-b)", [1.0, 2.0]), ("a/(b-b)", [1.0, 2.0])]
        {
            assert!(value(text, &rows).is_nan(), "{text}");
        }
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        let fault = |text: &str| Formula::parse(text).unwrap_err().to_string();
        assert_eq!(fault("a + "), "a value is missing, at character 5 of \"a + \"");
        assert_eq!(fault("(a"), "')' is missing, at character 3 of \"(a\"");
        assert_eq!(fault("a b"), "'b' is not expected, at character 3 of \"a b\"");
        assert_eq!(fault("1+2"), "it names no row, at character 1 of \"1+2\"");
        assert!(fault(&"(".repeat(5_000)).contains("too deeply nested"));
        assert!(fault("max(a)").contains("',' is expected, not ')'"));
    }
}
