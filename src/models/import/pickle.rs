//! Python's pickle read as inert data: no class is looked up and no callable is called, whatever the stream asks.
//!
//! candle's own reader copies a value each time the memo is asked for it (a few hundred bytes can ask for gigabytes) and
//! allocates declared lengths unchecked, so this is a separate one. Values live in one arena and refer to each other by
//! index: at most one value an opcode, so memory is bounded by the length of the stream, and nested or circular values need
//! no recursion to build or free. Protocols 2 to 5, without the text opcodes of protocol 0 that PyTorch never writes.

use std::collections::HashMap;

/// A value's place in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ValueId(u32);

/// What an opcode built.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Text(&'a str),
    Bytes,
    /// Lists and sets too.
    Tuple(Vec<ValueId>),
    /// Keys and values in order of insertion; `collections.OrderedDict` too.
    Dict(Vec<(ValueId, ValueId)>),
    /// A class or function by name.
    Global {
        module: &'a str,
        name: &'a str,
    },
    /// What a call would have made, and the state it would have been given.
    Object(Box<Object>),
    /// A reference to something outside the stream.
    Persistent(ValueId),
}

/// A call that was not made.
#[derive(Debug)]
pub(super) struct Object {
    pub callable: ValueId,
    pub args: ValueId,
    pub state: Option<ValueId>,
}

/// One pickle, read to its STOP.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: ValueId,
    /// Bytes from the first opcode to past STOP.
    pub len: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the beginning of `bytes`. The error names the byte and the opcode.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        loop {
            let start = reader.at;
            let op = reader.byte()?;
            match reader.step(op) {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Self { values: reader.values, root, len: reader.at }),
                Err(reason) => return Err(format!("pickle byte {start}, opcode 0x{op:02x}: {reason}")),
            }
        }
    }

    pub fn root(&self) -> ValueId {
        self.root
    }

    pub fn get(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    /// Every value, in the order they were begun.
    pub fn values(&self) -> impl Iterator<Item = &Value<'a>> {
        self.values.iter()
    }

    pub fn text(&self, id: ValueId) -> Option<&'a str> {
        match *self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is a size or an offset.
    pub fn size(&self, id: ValueId) -> Option<usize> {
        match *self.get(id) {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        }
    }

    pub fn items(&self, id: ValueId) -> Option<&[ValueId]> {
        match self.get(id) {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// `module.name` of a class or function.
    pub fn global(&self, id: ValueId) -> Option<(&'a str, &'a str)> {
        match *self.get(id) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// The value of a text key in a dictionary.
    pub fn entry(&self, dict: ValueId, key: &str) -> Option<ValueId> {
        match self.get(dict) {
            Value::Dict(pairs) => pairs.iter().find(|(k, _)| self.text(*k) == Some(key)).map(|&(_, v)| v),
            _ => None,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<ValueId>,
    /// Heights of the stack where MARK stood.
    marks: Vec<usize>,
    memo: HashMap<u32, ValueId>,
}

impl<'a> Reader<'a> {
    /// Follows one opcode; `Some` at STOP.
    fn step(&mut self, op: u8) -> Result<Option<ValueId>, String> {
        match op {
            b'.' => return self.pop().map(Some),
            0x80 => match self.byte()? {
                protocol @ 0..=5 => _ = protocol,
                other => return Err(format!("protocol {other} is newer than 5")),
            },
            0x95 => _ = self.take(8)?, // FRAME: a hint on buffering
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            b'1' => _ = self.pop_mark()?,
            b'2' => self.stack.push(self.top()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let n = self.byte()?;
                self.push(Value::Int(n.into()))?;
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
            }
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
            }
            0x8a => {
                let len = self.byte()?.into();
                self.long(len)?;
            }
            0x8b => {
                let len = self.length()?;
                self.long(len)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)?;
            }
            b'X' => {
                let len = self.length()?;
                self.text(len)?;
            }
            0x8c => {
                let len = self.byte()?.into();
                self.text(len)?;
            }
            // Python 2's str: text where it is, as PyTorch reads it.
            b'U' | b'C' => {
                let len = self.byte()?.into();
                self.text_or_bytes(len, op == b'U')?;
            }
            b'T' | b'B' => {
                let len = self.length()?;
                self.text_or_bytes(len, op == b'T')?;
            }
            b')' | b']' | 0x8f => self.push(Value::Tuple(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let mut items = vec![ValueId(0); usize::from(op - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = self.pop()?;
                }
                self.push(Value::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.set(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global { module, name })?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (self.get(module), self.get(name)) else {
                    return Err("a class is not named by text".to_owned());
                };
                let global = Value::Global { module, name };
                self.push(global)?;
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callable = self.pop()?;
                self.call(callable, args)?;
            }
            0x92 => {
                let (_keywords, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, args)?;
            }
            b'b' => {
                let state = self.pop()?;
                let built = self.top()?;
                // Attributes set on a dictionary (PyTorch's `_metadata`) say nothing that is needed.
                if let Value::Object(object) = &mut self.values[built.0 as usize] {
                    object.state = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'q' => {
                let slot = self.byte()?.into();
                self.memo.insert(slot, self.top()?);
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.memo.insert(slot, self.top()?);
            }
            0x94 => _ = self.memo.insert(self.memo.len() as u32, self.top()?),
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            _ => return Err("no opcode that PyTorch writes".to_owned()),
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            return Err(format!("{len} bytes are said to follow, {} are left", self.bytes.len() - self.at));
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<usize, String> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(b'\n', &rest[..rest.len().min(4096)]).ok_or("a name without an end")?;
        let line = self.take(len + 1)?;
        std::str::from_utf8(&line[..len]).map_err(|_| "a name that is not UTF-8".to_owned())
    }

    /// A little-endian two's-complement number; PyTorch's magic number has 10 bytes.
    fn long(&mut self, len: usize) -> Result<(), String> {
        let bytes = self.take(len)?;
        if len > 16 {
            return Err(format!("a number of {len} bytes"));
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..len].copy_from_slice(bytes);
        self.push(Value::Int(i128::from_le_bytes(wide)))
    }

    fn text(&mut self, len: usize) -> Result<(), String> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "text that is not UTF-8")?;
        self.push(Value::Text(text))
    }

    fn text_or_bytes(&mut self, len: usize, is_text: bool) -> Result<(), String> {
        let bytes = self.take(len)?;
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) if is_text => Value::Text(text),
            _ => Value::Bytes,
        })
    }

    fn get(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        let id = u32::try_from(self.values.len()).map_err(|_| "more than 4 billion values")?;
        self.values.push(value);
        self.stack.push(ValueId(id));
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), String> {
        let id = *self.memo.get(&slot).ok_or_else(|| format!("memo {slot} was never filled"))?;
        self.stack.push(id);
        Ok(())
    }

    /// The stack's top, not beyond the last MARK.
    fn top(&self) -> Result<ValueId, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[_]>::last).copied().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn pop(&mut self) -> Result<ValueId, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<ValueId>, String> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: &[ValueId]) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::Tuple(list) => list.extend(items),
            Value::Object(_) => {} // a list of a class of its own
            _ => return Err("items for something that is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[ValueId]) -> Result<(), String> {
        let (pairs, odd) = items.as_chunks::<2>();
        if !odd.is_empty() {
            return Err("a key without a value".to_owned());
        }
        let dict = self.top()?;
        match &mut self.values[dict.0 as usize] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Object(_) => {} // a dictionary of a class of its own
            _ => return Err("a key and value for something that is no dictionary".to_owned()),
        }
        Ok(())
    }

    /// Keeps a call as data; an OrderedDict becomes the dictionary it is.
    fn call(&mut self, callable: ValueId, args: ValueId) -> Result<(), String> {
        let is_ordered_dict = matches!(self.get(callable), Value::Global { module: "collections", name: "OrderedDict" });
        let Value::Tuple(given) = self.get(args) else { return Err("arguments that are no tuple".to_owned()) };
        let pairs = match given[..] {
            [] => Some(Vec::new()),
            // Python 2 gives the items as a list of [key, value].
            [list] => match self.get(list) {
                Value::Tuple(list) => list.iter().map(|&pair| self.pair(pair)).collect(),
                _ => None,
            },
            _ => None,
        };
        match pairs.filter(|_| is_ordered_dict) {
            Some(pairs) => self.push(Value::Dict(pairs)),
            None => self.push(Value::Object(Box::new(Object { callable, args, state: None }))),
        }
    }

    fn pair(&self, id: ValueId) -> Option<(ValueId, ValueId)> {
        match self.get(id) {
            Value::Tuple(items) => match items[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        Pickle::read(bytes).unwrap_err()
    }

    #[test]
    fn a_memo_refers_to_the_value_and_not_to_a_copy_of_it() {
        // pickle.dumps([l, l], 2) with l = ["a"], where l is filled after it was put in the memo
        let pickle = Pickle::read(b"\x80\x02]q\x00(]q\x01X\x01\x00\x00\x00aq\x02ah\x01e.").unwrap();
        let [first, second] = *pickle.items(pickle.root()).unwrap() else { panic!("two items") };
        assert_eq!(first, second);
        assert_eq!(pickle.text(pickle.items(first).unwrap()[0]), Some("a"));
    }

    #[test]
    fn doubling_lists_cost_a_few_bytes_each() {
        // a = []; 60 times a = [a, a]: 2^60 leaves, were they copied.
        let mut bytes = b"\x80\x02]".to_vec();
        for _ in 0..60 {
            bytes.extend(b"2\x86");
        }
        bytes.push(b'.');
        assert_eq!(Pickle::read(&bytes).unwrap().values().count(), 61);
    }

    #[test]
    fn numbers_have_their_signs() {
        let number = |bytes: &[u8]| match *Pickle::read(bytes).unwrap().values().next().unwrap() {
            Value::Int(n) => n,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(number(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), 0x1950_a86a_20f9_469c_fc6c);
        assert_eq!(number(b"\x8a\x01\xff."), -1);
        assert_eq!(number(b"\x8a\x00."), 0);
        assert_eq!(number(b"J\xfe\xff\xff\xff."), -2);
        assert_eq!(number(b"M\xff\xff."), 65_535);
    }

    #[test]
    fn a_call_stays_a_name() {
        let pickle = Pickle::read(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap();
        let Value::Object(object) = pickle.get(pickle.root()) else { panic!("an inert object") };
        assert_eq!(pickle.global(object.callable), Some(("os", "system")));
    }

    #[test]
    fn lies_about_lengths_and_stacks_are_refused() {
        assert_eq!(error(b"X\xff\xff\xff\x7fab."), "pickle byte 0, opcode 0x58: 2147483647 bytes are said to follow, 3 are left");
        assert_eq!(error(b"."), "pickle byte 0, opcode 0x2e: the stack is empty");
        assert_eq!(error(b"N(.").split(": ").last(), Some("the stack is empty"));
        assert!(error(b"t.").contains("no mark"));
        assert!(error(b"h\x05.").contains("memo 5 was never filled"));
        assert!(error(b"}(Nu.").contains("a key without a value"));
        assert!(error(b"N").contains("1 bytes are said to follow, 0 are left"));
        assert!(error(b"P1\n.").contains("no opcode that PyTorch writes"));
        assert!(error(b"\x80\x09N.").contains("protocol 9"));
    }
}
