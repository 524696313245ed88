//! One request and its response: what is asked, with which bytes, in which words, and whether the answer is right.
//!
//! * an [`exchange`] is a request and its response on a connection of the crate `link`, in the [`room`] of a worker, with
//!   a body that goes to a [`sink`];
//! * a [`call`] says what each kind asks for; its answer undergoes a [`check`];
//! * a [`put_body`] is made from a core's [`stock`]: pieces of the [`payload`] ([`payload_file`] has been on a disk),
//!   [`stamped`] blocks, or a shard ([`shard_body`]); an [`upload`] sends one in parts;
//! * a [`dialect`] words all that, [`native`] or [`s3`].

pub(super) mod call;
pub(super) mod check;
pub(super) mod dialect;
pub(super) mod exchange;
pub(super) mod native;
pub(super) mod payload;
pub(super) mod payload_file;
pub(super) mod put_body;
pub(super) mod room;
pub(super) mod s3;
pub(super) mod shard_body;
pub(super) mod sink;
pub(super) mod stamped;
pub(super) mod stock;
pub(super) mod upload;
