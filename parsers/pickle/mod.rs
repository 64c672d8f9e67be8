//! Pickles, as far as dumps of plain data need them: no class is looked up, nothing is called.
//!
//! The opcodes are those of Python's `pickletools` (protocols 2 to 5) that plain data uses. Any other is refused by name:
//! `GLOBAL` and `REDUCE` would run what the pickle says. Values stand in an arena and strings are borrowed, so sharing
//! through the memo costs nothing, whatever a pickle repeats.

use nom::IResult;
use nom::Parser as _;
use nom::bytes::complete::take;
use nom::number::complete::{be_f64, le_i32, le_u8, le_u16, le_u32, le_u64};

/// Deepest stack of marks: dumps have 6.
const MOST_MARKS: usize = 64;

/// Most values of a pickle; a dump of 2,000 entries with stacks has 300,000.
const MOST_VALUES: usize = 8 << 20;

/// Most places in containers.
const MOST_PLACES: usize = 32 << 20;

/// Most slots of the memo.
const MOST_MEMO: usize = 16 << 20;

/// Index of a value in its pickle.
pub type Id = u32;

/// Where the places that a container holds stand, all in one list: a dump has tens of thousands of small containers, and
/// an allocation for each cost more than all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    len: u32,
    /// How many there is room for.
    room: u32,
}

impl Span {
    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// A value; containers hold places of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// A truth.
    Bool(bool),
    /// A whole number; larger than 64 bits: none is read.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// A list or tuple.
    List(Span),
    /// A dictionary: keys and values in turn, in its order.
    Dict(Span),
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    places: Vec<Id>,
    root: Id,
}

/// Whether bytes begin like a pickle of protocol 2 to 5.
pub fn begins(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, ..])
}

impl<'a> Pickle<'a> {
    /// Reads a pickle.
    ///
    /// # Errors
    /// What is wrong with it, and at which byte.
    pub fn read(data: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine::default();
        let mut rest = data;
        loop {
            let at = data.len() - rest.len();
            let (next, done) = machine.step(rest).map_err(|what| format!("{what} at byte {at}"))?;
            if let Some(root) = done {
                return Ok(Self { values: machine.values, places: machine.places, root });
            }
            rest = next;
        }
    }

    /// The outermost value.
    pub fn root(&self) -> &Value<'a> {
        self.at(self.root)
    }

    /// The value at a place.
    pub fn at(&self, id: Id) -> &Value<'a> {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }

    /// The value of a text key; the last one counts.
    pub fn get<'p>(&'p self, dict: &'p Value<'a>, key: &str) -> Option<&'p Value<'a>> {
        self.pairs(Some(dict)).filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    }

    /// Text keys and values of a dictionary, in its order; none of anything else.
    pub fn pairs<'p>(&'p self, dict: Option<&'p Value<'a>>) -> impl Iterator<Item = (&'a str, &'p Value<'a>)> {
        let span = match dict {
            Some(Value::Dict(span)) => *span,
            _ => Span::default(),
        };
        self.places(span).chunks_exact(2).filter_map(|pair| match self.at(pair[0]) {
            Value::Text(name) => Some((*name, self.at(pair[1]))),
            _ => None,
        })
    }

    /// The items of a list or tuple; none of anything else.
    pub fn items<'p>(&'p self, list: Option<&'p Value<'a>>) -> impl Iterator<Item = &'p Value<'a>> {
        let span = match list {
            Some(Value::List(span)) => *span,
            _ => Span::default(),
        };
        self.places(span).iter().map(|id| self.at(*id))
    }

    fn places(&self, span: Span) -> &[Id] {
        self.places.get(span.range()).unwrap_or_default()
    }
}

/// The stack machine that a pickle drives.
#[derive(Default)]
struct Machine<'a> {
    values: Vec<Value<'a>>,
    places: Vec<Id>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

/// What is left of the input, and the outermost value once the pickle stopped.
type Step<'a> = Result<(&'a [u8], Option<Id>), String>;

/// An argument that an opcode takes from the input.
fn arg<T>(read: IResult<&[u8], T>) -> Result<(&[u8], T), String> {
    read.map_err(|_| "the end is missing".to_owned())
}

impl<'a> Machine<'a> {
    fn step(&mut self, rest: &'a [u8]) -> Step<'a> {
        let (rest, code) = arg(le_u8(rest))?;
        let rest = match code {
            0x80 => self.protocol(rest)?,
            0x95 => arg(take(8_usize)(rest))?.0,
            b'.' => return Ok((rest, Some(self.pop()?))),
            b'(' => self.mark(rest)?,
            b'}' | b']' | b')' | b'N' | 0x88 | 0x89 => self.constant(rest, code)?,
            b'X' | 0x8c | 0x8d => self.text(rest, code)?,
            b'J' | b'K' | b'M' | 0x8a | b'G' => self.number(rest, code)?,
            b'q' | b'r' | b'h' | b'j' | 0x94 => self.memo(rest, code)?,
            b'u' | b's' | b'e' | b'a' | b't' | 0x85..=0x87 => {
                self.gather(code)?;
                rest
            }
            other => return Err(refused(other)),
        };
        Ok((rest, None))
    }

    fn protocol(&self, rest: &'a [u8]) -> Result<&'a [u8], String> {
        let (rest, version) = arg(le_u8(rest))?;
        if version > 5 { Err(format!("protocol {version} is not known")) } else { Ok(rest) }
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err("more values than a dump has".to_owned());
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.pop().filter(|_| self.stack.len() >= floor).ok_or_else(|| "a value is missing".to_owned())
    }

    /// Where on the stack the values above the last mark begin.
    fn marked(&mut self) -> Result<usize, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        mark.ok_or_else(|| "a mark is missing".to_owned())
    }

    /// Where on the stack so many last values begin.
    fn last(&self, count: usize) -> Result<usize, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= floor);
        from.ok_or_else(|| "a value is missing".to_owned())
    }

    fn mark(&mut self, rest: &'a [u8]) -> Result<&'a [u8], String> {
        if self.marks.len() >= MOST_MARKS {
            return Err(format!("more than {MOST_MARKS} values within each other"));
        }
        self.marks.push(self.stack.len());
        Ok(rest)
    }

    fn constant(&mut self, rest: &'a [u8], code: u8) -> Result<&'a [u8], String> {
        self.push(match code {
            b'}' => Value::Dict(Span::default()),
            b']' | b')' => Value::List(Span::default()),
            b'N' => Value::None,
            code => Value::Bool(code == 0x88),
        })?;
        Ok(rest)
    }

    fn text(&mut self, rest: &'a [u8], code: u8) -> Result<&'a [u8], String> {
        let (rest, length) = arg(match code {
            b'X' => le_u32::<_, nom::error::Error<_>>.map(u64::from).parse(rest),
            0x8c => le_u8.map(u64::from).parse(rest),
            _ => le_u64(rest),
        })?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > rest.len() {
            return Err(format!("a text of {length} bytes where {} are left", rest.len()));
        }
        let (bytes, rest) = rest.split_at(length);
        // Half a character makes no dump unreadable.
        let text = std::str::from_utf8(bytes)
            .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
        self.push(Value::Text(text))?;
        Ok(rest)
    }

    fn number(&mut self, rest: &'a [u8], code: u8) -> Result<&'a [u8], String> {
        let (rest, value) = arg(match code {
            b'J' => le_i32::<_, nom::error::Error<_>>.map(|n| Value::Int(n.into())).parse(rest),
            b'K' => le_u8.map(|n| Value::Int(n.into())).parse(rest),
            b'M' => le_u16.map(|n| Value::Int(n.into())).parse(rest),
            b'G' => be_f64.map(Value::Float).parse(rest),
            _ => long(rest),
        })?;
        self.push(value)?;
        Ok(rest)
    }

    fn memo(&mut self, rest: &'a [u8], code: u8) -> Result<&'a [u8], String> {
        let (rest, at) = match code {
            b'q' | b'h' => arg(le_u8.map(usize::from).parse(rest))?,
            b'r' | b'j' => arg(le_u32.map(|at| at as usize).parse(rest))?,
            _ => (rest, self.memo.len()),
        };
        if matches!(code, b'h' | b'j') {
            let id = self.memo.get(at).copied().flatten().ok_or("a value that was never noted")?;
            self.stack.push(id);
            return Ok(rest);
        }
        // The memo grows by what stands in the pickle, not by the number that it names.
        if at >= MOST_MEMO.min(self.memo.len() + 1024) {
            return Err(format!("place {at} of the memo is out of order"));
        }
        if at >= self.memo.len() {
            self.memo.resize(at + 1, None);
        }
        self.memo[at] = Some(*self.stack.last().ok_or("a value is missing")?);
        Ok(rest)
    }

    /// Opcodes that put values into containers.
    fn gather(&mut self, code: u8) -> Result<(), String> {
        let from = match code {
            b'u' | b'e' | b't' => self.marked()?,
            b's' | 0x86 => self.last(2)?,
            b'a' | 0x85 => self.last(1)?,
            _ => self.last(3)?,
        };
        if matches!(code, b't' | 0x85..=0x87) {
            let span = self.keep(Span::default(), from)?;
            return self.push(Value::List(span));
        }
        let target = from.checked_sub(1).and_then(|at| self.stack.get(at)).copied().unwrap_or(Id::MAX);
        let span = match (code, self.values.get(target as usize)) {
            (b'u' | b's', Some(Value::Dict(span))) if (self.stack.len() - from).is_multiple_of(2) => *span,
            (b'e' | b'a', Some(Value::List(span))) => *span,
            _ => return Err("items for something that holds none".to_owned()),
        };
        let span = self.keep(span, from)?;
        self.values[target as usize] = if matches!(code, b'u' | b's') { Value::Dict(span) } else { Value::List(span) };
        Ok(())
    }

    /// Puts what stands on the stack from there on behind what a container holds. One that has no room left moves, to
    /// twice its room, so that a container that is filled one by one costs no more than the pickle is long.
    fn keep(&mut self, mut span: Span, from: usize) -> Result<Span, String> {
        let more = self.stack.len() - from;
        let len = span.len as usize + more;
        if len > span.room as usize {
            let room = if span.len == 0 { more } else { 2 * len };
            let start = self.places.len();
            if start + room > MOST_PLACES {
                return Err("more values in containers than a dump has".to_owned());
            }
            self.places.extend_from_within(span.range());
            self.places.extend_from_slice(&self.stack[from..]);
            self.places.resize(start + room, 0);
            span = Span { start: start as u32, len: len as u32, room: room as u32 };
        } else {
            let end = span.range().end;
            self.places[end..end + more].copy_from_slice(&self.stack[from..]);
            span.len = len as u32;
        }
        self.stack.truncate(from);
        Ok(span)
    }
}

/// A whole number of so many bytes, lowest first, as two's complement.
fn long(rest: &[u8]) -> IResult<&[u8], Value<'_>> {
    let (rest, length) = le_u8(rest)?;
    let (rest, bytes) = take(length)(rest)?;
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = if negative { [0xff; 8] } else { [0; 8] };
    if bytes.len() > whole.len() {
        return Ok((rest, Value::None));
    }
    whole[..bytes.len()].copy_from_slice(bytes);
    Ok((rest, Value::Int(i64::from_le_bytes(whole))))
}

/// Why an opcode is not followed.
fn refused(code: u8) -> String {
    let name = match code {
        b'c' | 0x93 => "looks up a class or function (GLOBAL)",
        b'R' => "calls a function (REDUCE)",
        b'i' | b'o' | 0x81 | 0x92 => "makes an object (INST, OBJ, NEWOBJ)",
        b'b' => "sets the state of an object (BUILD)",
        b'P' | b'Q' => "names something outside (PERSID)",
        0x82..=0x84 => "uses the registry of extensions (EXT)",
        _ => return format!("opcode {code:#04x}, which dumps of plain data don't use; refused"),
    };
    format!("the pickle {name}, which plain data doesn't need; refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_is_read() {
        // {'a': [1, -2, 300, 70000, None, True], 'b': ('x', 2**40), 'c': -1.5, 'd': <the list again>}
        let data = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM\x2c\x01J\x70\x11\x01\x00N\x88eX\x01\x00\x00\x00bX\x01\x00\x00\x00x\x8a\x06\x00\x00\x00\x00\x00\x01\x86X\x01\x00\x00\x00cG\xbf\xf8\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00dh\x02u.";
        let pickle = Pickle::read(data).unwrap();
        let root = pickle.root();
        let list: Vec<_> = pickle.items(pickle.get(root, "a")).cloned().collect();
        let want = [Value::Int(1), Value::Int(-2), Value::Int(300), Value::Int(70_000), Value::None, Value::Bool(true)];
        assert_eq!(list, want);
        let pair: Vec<_> = pickle.items(pickle.get(root, "b")).cloned().collect();
        assert_eq!(pair, [Value::Text("x"), Value::Int(1 << 40)]);
        assert_eq!(pickle.get(root, "c"), Some(&Value::Float(-1.5)));
        assert_eq!(pickle.items(pickle.get(root, "d")).count(), 6);
    }

    #[test]
    fn what_would_run_code_is_refused_by_name() {
        for (data, why) in [
            (b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.".as_slice(), "GLOBAL"),
            (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "GLOBAL"),
            (b"\x80\x02)R.", "REDUCE"),
            (b"\x80\x02)\x81.", "NEWOBJ"),
            (b"\x80\x02}b.", "BUILD"),
            (b"\x80\x02Pname\n.", "PERSID"),
            (b"\x80\x02\x82\x01.", "EXT"),
            (b"\x80\x02I1\n.", "0x49"),
        ] {
            let error = Pickle::read(data).unwrap_err();
            assert!(error.contains(why) && error.contains("refused at byte"), "{error}");
        }
    }

    #[test]
    fn hostile_pickles_are_bounded() {
        let deep = [b"\x80\x02".as_slice(), &b"(".repeat(1 << 20)].concat();
        let nested = [b"\x80\x02".as_slice(), &b"]".repeat(1000), &b"a".repeat(999), b"."].concat();
        assert!(Pickle::read(&nested).is_ok(), "lists within lists are places in an arena");
        for (data, why) in [
            (deep.as_slice(), "within each other"),
            (b"\x80\x02X\xff\xff\xff\xffab", "a text of 4294967295 bytes where 2 are left"),
            (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffab", "are left"),
            (b"\x80\x02Nr\xff\xff\xff\xff.", "out of order"),
            (b"\x80\x02h\x07.", "never noted"),
            (b"\x80\x02.", "a value is missing"),
            (b"\x80\x02Nu.", "a mark is missing"),
            (b"\x80\x02N(NNu.", "items for something"),
            (b"\x80\x02}(Nu.", "items for something"),
            (b"\x80\x02}", "the end is missing"),
            (b"\x80\x09N.", "protocol 9"),
        ] {
            let told = Pickle::read(data).map(|_| ());
            assert!(told.as_ref().is_err_and(|error| error.contains(why)), "{why}: {told:?}");
        }
    }

    #[test]
    fn a_list_within_itself_is_only_a_place() {
        let pickle = Pickle::read(b"\x80\x02]q\x00h\x00a.").unwrap();
        let mut at = pickle.root();
        for _ in 0..100 {
            at = pickle.items(Some(at)).next().unwrap();
        }
        assert!(matches!(at, Value::List(_)));
    }
}
