//! Answers as long as there are buckets: written piece by piece, and others go first in between.

use crate::cluster::View;
use crate::error::{Error, Result};
use crate::reply::Reply;
use serde::Serialize;

/// Items that are written before others go first.
const ITEMS_PER_TURN: usize = 256;

/// A JSON array of these.
pub(super) async fn list(items: impl Iterator<Item = impl Serialize>) -> Result<Reply> {
    let mut json = vec![b'['];
    for (at, item) in items.enumerate() {
        if at > 0 {
            json.push(b',');
        }
        put(&mut json, &item)?;
        rest(at).await;
    }
    json.push(b']');
    Ok(reply(json))
}

/// The bucket map, as [`wire::api::bmd::Bmd`] is written.
pub(super) async fn bmd(view: &View) -> Result<Reply> {
    let mut json = br#"{"providers":{"ais":{"@#":{"#.to_vec();
    for (at, bucket) in view.buckets().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        put(&mut json, &bucket.bucket.name)?;
        json.push(b':');
        put(&mut json, &bucket.props)?;
        rest(at).await;
    }
    json.extend_from_slice(br#"}}},"uuid":"#);
    put(&mut json, view.bmd.uuid())?;
    json.extend_from_slice(br#","version":"#);
    put(&mut json, &view.bmd.version.to_string())?;
    json.push(b'}');
    Ok(reply(json))
}

fn put(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer(json, value).map_err(|e| Error::internal(format!("JSON: {e}")))
}

async fn rest(at: usize) {
    if at % ITEMS_PER_TURN == ITEMS_PER_TURN - 1 {
        uring::yield_now().await;
    }
}

fn reply(json: Vec<u8>) -> Reply {
    Reply::bytes(200, "application/json; charset=utf-8", json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{ClusterState, Command, Replica};
    use crate::reply::Payload;
    use futures_util::FutureExt;
    use placement::smap::NetInfo;
    use placement::{NodeLayout, Smap};
    use std::sync::Arc;
    use wire::api::bprops::BpropsToSet;

    fn json_of(reply: Reply) -> serde_json::Value {
        let Payload::Bytes(bytes) = reply.body else { panic!("no bytes") };
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn it_is_the_json_of_the_whole() {
        let net = NetInfo::http("127.0.0.1", 51080);
        let smap = Smap::single_node("Uuid123456", "now", "pAAAAAAA", "tBBBBBBB", &net);
        let mut replica = Replica::new(ClusterState::new(smap, "now".to_owned()));
        for buckets in 0..4 {
            let view = View::new(&replica, &Arc::new(NodeLayout::default()));
            let written = bmd(&view).now_or_never().unwrap().unwrap();
            assert_eq!(json_of(written), serde_json::to_value(&view.bmd).unwrap());
            let names = list(view.buckets().map(|bucket| &bucket.bucket.name)).now_or_never().unwrap();
            assert_eq!(json_of(names.unwrap()).as_array().unwrap().len(), buckets);
            let (name, change) = (format!("b{buckets}"), BpropsToSet::default());
            replica.cluster.apply(Command::CreateBucket { name, change, now_ns: 1 }).unwrap();
        }
    }
}
