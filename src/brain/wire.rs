//! OpenAI's chat protocol: what is posted, and what comes back, streamed or whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::settings::Protocol;

/// Longest answer, in bytes.
const LONGEST: usize = 256 << 10;

/// A message of the chat.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(pub(super) Value);

impl Message {
    /// Of ours, before all.
    pub(super) fn system(text: &str) -> Self {
        Self(json!({"role": "system", "content": text}))
    }

    /// A question, or what was asked for.
    pub(super) fn user(text: &str) -> Self {
        Self(json!({"role": "user", "content": text}))
    }

    /// An answer, as the next question quotes it.
    pub(super) fn assistant(answer: &Answer) -> Self {
        // Never tool calls: the words that a call stands for do, and so nobody has to answer it in the protocol's way.
        Self(json!({"role": "assistant", "content": answer.text}))
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.0["content"].as_str().map_or(0, str::len)
    }
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Its text, or the arguments of the tool that it called.
    pub text: String,
    /// Tokens of question and answer, where the server counts them.
    pub tokens: Option<u64>,
}

/// The shape that is asked for: a JSON schema by a name.
#[derive(Debug, Clone)]
pub struct Shape {
    pub(super) name: &'static str,
    pub(super) schema: Value,
}

/// What is posted.
pub(super) fn body(model: &str, messages: &[Message], shape: &Shape, protocol: Protocol, most: u64) -> Value {
    let messages: Vec<&Value> = messages.iter().map(|message| &message.0).collect();
    let mut body = json!({
        "model": model, "messages": messages, "stream": true, "temperature": 0, "max_tokens": most,
    });
    match protocol {
        Protocol::Auto | Protocol::Schema => {
            body["response_format"] = json!({"type": "json_schema", "json_schema": {
                "name": shape.name, "strict": true, "schema": shape.schema}});
            body["stream_options"] = json!({"include_usage": true});
        }
        Protocol::Tools => {
            body["tools"] = json!([{"type": "function", "function": {
                "name": shape.name, "description": "Gives the answer.", "parameters": shape.schema}}]);
            body["stream_options"] = json!({"include_usage": true});
        }
        // The weakest servers know nothing beyond the words.
        Protocol::Json => {}
    }
    body
}

/// An answer as it comes in, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Coming {
    rest: Vec<u8>,
    text: String,
    /// Names and arguments of tools that are called.
    calls: BTreeMap<u64, (String, String)>,
    tokens: Option<u64>,
    ended: bool,
    taken: usize,
}

impl Coming {
    /// Takes bytes of an event stream.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.taken += bytes.len();
        if self.taken > LONGEST * 16 {
            return Err("its answer does not end".to_owned());
        }
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.trim().strip_prefix("data:").map(str::trim) else { continue };
            if data == "[DONE]" {
                self.ended = true;
            } else {
                let piece: Value = serde_json::from_str(data).map_err(|_| "its stream is no JSON".to_owned())?;
                self.piece(&piece, "delta")?;
            }
        }
        Ok(())
    }

    /// Takes an answer that came whole.
    pub(super) fn whole(&mut self, bytes: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| "its answer is no JSON".to_owned())?;
        self.piece(&value, "message")?;
        self.ended = true;
        Ok(())
    }

    fn piece(&mut self, piece: &Value, part: &str) -> Result<(), String> {
        if let Some(error) = piece.get("error").filter(|error| !error.is_null()) {
            let said = error["message"].as_str().unwrap_or("no reason");
            return Err(format!("it says: {}", said.chars().take(200).collect::<String>()));
        }
        if let Some(tokens) = piece["usage"]["total_tokens"].as_u64() {
            self.tokens = Some(tokens);
        }
        let choice = &piece["choices"][0];
        self.ended |= choice["finish_reason"].is_string();
        self.text += choice[part]["content"].as_str().unwrap_or_default();
        for call in choice[part]["tool_calls"].as_array().into_iter().flatten() {
            let at = call["index"].as_u64().unwrap_or_default();
            let (name, arguments) = self.calls.entry(at).or_default();
            *name += call["function"]["name"].as_str().unwrap_or_default();
            *arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        let held =
            self.text.len() + self.calls.values().map(|(name, arguments)| name.len() + arguments.len()).sum::<usize>();
        if held > LONGEST { Err("its answer is too long".to_owned()) } else { Ok(()) }
    }

    /// The answer; none where the stream was cut. `offered`: the one tool that there is.
    pub(super) fn finish(self, offered: &str) -> Option<Answer> {
        // What a tool was called with is the answer; of several calls the first, and of tools that are none nothing.
        let ours = |(name, arguments): &(String, String)| name == offered && !arguments.trim().is_empty();
        let called = self.calls.into_values().find(ours).map(|(_, arguments)| arguments);
        let text = called.unwrap_or(self.text);
        self.ended.then_some(Answer { text, tokens: self.tokens })
    }
}

/// The JSON object in a text: models put fences and words round it.
pub(super) fn object(text: &str) -> Result<Value, String> {
    let from = text.find('{').ok_or("there is no JSON object in it")?;
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) if value.is_object() => Ok(value),
        Some(Err(error)) => Err(error.to_string()),
        _ => Err("there is no JSON object in it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_in_pieces_of_any_size_and_a_cut_one_is_none() {
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"a\\\":\"}}]}\n\n: ping\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"1}\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\ndata: [DONE]\n\n";
        for size in [1, 7, 4096] {
            let mut coming = Coming::default();
            stream.as_bytes().chunks(size).for_each(|bytes| coming.take(bytes).unwrap());
            assert_eq!(coming.finish("answer"), Some(Answer { text: "{\"a\":1}".to_owned(), tokens: Some(7) }));
        }
        let mut cut = Coming::default();
        cut.take(&stream.as_bytes()[..60]).unwrap();
        assert_eq!(cut.finish("answer"), None);
        let mut called = Coming::default();
        called
            .take(b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"answer\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n")
            .unwrap();
        assert_eq!(called.finish("answer").unwrap().text, "{}");
        assert!(Coming::default().take(b"data: {\"error\":{\"message\":\"no\"}}\n").is_err());
    }

    #[test]
    fn json_is_found_within_fences_and_words() {
        assert_eq!(object("Sure!\n```json\n{\"a\": 1}\n```\nDone {").unwrap(), json!({"a": 1}));
        assert!(object("[1]").is_err() && object("{\"a\":").is_err() && object("").is_err());
        assert!(object(&"{\"a\":".repeat(100_000)).is_err());
    }
}
