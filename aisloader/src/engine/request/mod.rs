//! One request and its response: what is asked, with which bytes, in which words, and whether the answer is right.
//!
//! * [`peers`] keep connections, some with [`tls`] on them, a [`mod@line`] is one in use, an [`exchange`] is a request
//!   and its response, with a [`body`] that goes to a [`sink`]; [`ready`] waits for one;
//! * a [`call`] says what each kind asks for; its answer undergoes a [`check`];
//! * a [`put_body`] is made from a core's [`stock`]: pieces of the [`payload`] ([`payload_file`] has been on a disk),
//!   [`stamped`] blocks, or a shard ([`shard_body`]); an [`upload`] sends one in parts;
//! * a [`dialect`] words all that, [`native`] or [`s3`].

pub(super) mod body;
pub(super) mod call;
pub(super) mod check;
pub(super) mod dialect;
pub(super) mod exchange;
pub(super) mod line;
pub(super) mod native;
pub(super) mod payload;
pub(super) mod payload_file;
pub(super) mod peers;
pub(super) mod put_body;
pub(super) mod ready;
pub(super) mod s3;
pub(super) mod shard_body;
pub(super) mod sink;
pub(super) mod stamped;
pub(super) mod stock;
pub(super) mod tls;
pub(super) mod upload;
