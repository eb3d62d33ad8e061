//! Envelopes of every kind without a list of their fields: a deserializer that invents whatever the
//! type asks for. A text is 40 hexadecimal digits, which is a valid text, name, address and object id.

use foureyes_protocol::{
    Address, Body, Envelope, Kind, Label, MessageId, PrincipalId, Priority, RunId, body::StatusReport,
    envelope::VERSION,
};
use proptest::prelude::*;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::Error},
};

/// An envelope that never changes.
pub fn sample() -> Envelope {
    Envelope {
        v: VERSION,
        run: RunId(uuid::Uuid::from_u64_pair(1, 2)),
        epoch: 3,
        id: MessageId::from_parts(1_700_000_000_000, [9; 10]),
        from: PrincipalId::new("dev-a").expect("a name"),
        to: Address::user(),
        kind: Kind::StatusReport,
        feature: Some("greet".parse().expect("a name")),
        thread: None,
        in_reply_to: None,
        seq: 7,
        sent_at: 1_700_000_000_000,
        expires_at: Some(1_700_000_060_000),
        priority: Priority::Normal,
        labels: [Label::Agent, Label::ToolOutput].into(),
        body: StatusReport { text: "at work".to_owned() }.into(),
    }
}

/// A body of a kind.
pub fn body_of(kind: Kind) -> Body {
    invent(kind, 42)
}

/// Any envelope of any kind.
pub fn envelope() -> impl Strategy<Value = Envelope> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    (kinds, any::<u64>(), any::<Option<u64>>(), ".{0,40}").prop_map(|(kind, seed, expires_at, text)| {
        let body = match kind {
            Kind::StatusReport => StatusReport { text }.into(),
            kind => invent(kind, seed),
        };
        let other: Envelope = Envelope::deserialize(&mut Inventor::new(kind, seed)).expect("an envelope");
        Envelope { v: VERSION, kind, body, expires_at, ..other }
    })
}

fn invent(kind: Kind, seed: u64) -> Body {
    Body::deserialize(&mut Inventor::new(kind, seed)).expect("every type can be invented")
}

struct Inventor {
    kind: Kind,
    seed: u64,
    bytes: usize,
}

impl Inventor {
    fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, seed: seed | 1, bytes: 32 }
    }
    fn next(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        // Small and large numbers, at the borders of their encodings too.
        match self.seed % 4 {
            0 => self.seed % 130,
            1 => self.seed % 70_000,
            _ => self.seed,
        }
    }
    fn text(&mut self) -> String {
        (0..40).map(|_| char::from_digit((self.next() % 16) as u32, 16).expect("a digit")).collect()
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.next() as $type)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Inventor {
    type Error = Error;

    numbers!(deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.next().is_multiple_of(2))
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text())
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bytes: Vec<u8> = (0..self.bytes).map(|_| self.next() as u8).collect();
        visitor.visit_bytes(&bytes)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.next().is_multiple_of(2) { visitor.visit_none() } else { visitor.visit_some(self) }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        // The ids are UUIDs, which are 16 bytes; every other run of bytes is a digest.
        self.bytes = if matches!(name, "RunId" | "MessageId") { 16 } else { 32 };
        let value = visitor.visit_newtype_struct(&mut *self);
        self.bytes = 32;
        value
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = (self.next() % 4) as usize;
        visitor.visit_seq(Items { inventor: self, left })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { inventor: self, left: fields.len() })
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = match name {
            "Body" => self.kind.as_str(),
            _ => variants[(self.next() % variants.len() as u64) as usize],
        };
        visitor.visit_enum(Variant { inventor: self, variant })
    }
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("a type of the protocol says what it is"))
    }
    fn is_human_readable(&self) -> bool {
        false
    }
    serde::forward_to_deserialize_any! {
        f32 f64 char str byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    inventor: &'a mut Inventor,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.inventor).map(Some)
    }
}

struct Variant<'a> {
    inventor: &'a mut Inventor,
    variant: &'static str,
}

impl<'de> de::EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(self.variant))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.inventor)
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { inventor: self.inventor, left: len })
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { inventor: self.inventor, left: fields.len() })
    }
}
