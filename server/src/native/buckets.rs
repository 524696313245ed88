//! Bucket requests.

use super::{MESSAGE_BYTES_MAX, NAMES_BYTES_MAX, Request, check_provider, listing, long, named, summary};
use crate::cluster::Command;
use crate::error::{Error, Kind, Result};
use crate::jobs;
use crate::message_budget::Message;
use crate::object::{self, Caller, Operation};
use crate::reply::Reply;
use crate::shard::Body;
use wire::api::actmsg::{ActMsg, action};
use wire::api::bck::Bck;
use wire::api::bprops::BpropsToSet;
use wire::api::multiobj::{EvdMsg, TcbMsg};
use wire::http1::Method;

pub(super) async fn handle(
    request: &Request<'_, '_>,
    bucket: &str,
    prefix: &str,
    body: &mut Body<'_>,
) -> Result<Reply> {
    if request.head.method == Method::Head {
        return head(request, bucket, prefix).await;
    }
    if !prefix.is_empty() {
        return Err(Error::bad(format!(
            "invalid path {:?}: nothing may follow the bucket",
            request.head.path()
        )));
    }
    // Only these name objects.
    let names_many = matches!(request.head.method, Method::Delete | Method::Post | Method::Put);
    let bytes_max = if names_many { NAMES_BYTES_MAX } else { MESSAGE_BYTES_MAX };
    let body = body.collect(&request.shard.node.messages, bytes_max).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    match request.head.method {
        Method::Get => get(request, bucket, &message).await,
        Method::Post => post(request, bucket, &message).await,
        Method::Patch => patch(request, bucket, message).await,
        Method::Delete => delete(request, bucket, message, body).await,
        Method::Put if message.action == action::ARCHIVE => Err(Error::not_implemented("archiving objects")),
        Method::Put => Err(Error::bad(format!("unknown action {:?}", message.action))),
        Method::Head | Method::Options | Method::Other => Err(request.wrong_method()),
    }
}

async fn get(request: &Request<'_, '_>, name: &str, message: &ActMsg) -> Result<Reply> {
    match message.action.as_str() {
        action::SUMMARY_BCK => summary::get(request, name, message).await,
        "" | action::LIST if name.is_empty() => list_buckets(request, message).await,
        // Without a body a bucket's path lists its objects, as browsers and curl ask for them.
        "" => listing::list(request, &named::bucket(request, name)?, message).await,
        // Null asks for buckets (of this name), anything else for the bucket's objects.
        action::LIST if message.value.is_null() => list_buckets(request, message).await,
        action::LIST => listing::list(request, &named::bucket(request, name)?, message).await,
        action::SHOW_INVENTORY | action::SUMMARY_SHARD => Err(Error::not_implemented(&message.action)),
        other => Err(Error::bad(format!("unknown action {other:?}"))),
    }
}

async fn list_buckets(request: &Request<'_, '_>, message: &ActMsg) -> Result<Reply> {
    if !matches!(request.query.text("provider"), "" | "ais") {
        return Reply::json(&[0u8; 0]);
    }
    let view = request.shard.node.view();
    let names = view.buckets().map(|bucket| &bucket.bucket.name);
    let wanted = names.filter(|name| message.name.is_empty() || **name == message.name);
    long::list(wanted.map(|name| Bck::ais(name))).await
}

async fn head(request: &Request<'_, '_>, name: &str, prefix: &str) -> Result<Reply> {
    let bucket = named::bucket(request, name)?;
    let props = serde_json::to_string(&bucket.props).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    let reply = Reply::empty(200).with("Ais-Bucket-Props", props);
    if request.query.has("bsumm_remote") {
        return summary::head(request, &bucket, prefix, reply).await;
    }
    if !prefix.is_empty() {
        return Err(Error::bad("a prefix behind the bucket needs bsumm_remote"));
    }
    Ok(reply)
}

async fn post(request: &Request<'_, '_>, name: &str, message: &ActMsg) -> Result<Reply> {
    match message.action.as_str() {
        action::CREATE_BCK => {
            check_provider(&request.query)?;
            let change = BpropsToSet::from_value(&message.value).map_err(Error::bad)?;
            object::create_bucket(request.shard, name, change).await?;
            Ok(Reply::empty(200))
        }
        action::COPY_BCK => copy(request, name, message).await,
        action::MOVE_BCK => rename(request, name).await,
        action::ETL_BCK
        | action::ETL_OBJECTS
        | action::COPY_OBJECTS
        | action::PREFETCH_OBJECTS
        | action::MAKE_N_COPIES
        | action::EC_ENCODE
        | action::RECHUNK
        | action::INDEX_SHARD
        | action::CREATE_INVENTORY => Err(Error::not_implemented(&message.action)),
        other => Err(Error::bad(format!("unknown action {other:?}"))),
    }
}

/// The bucket that `bck_to` names.
fn destination(request: &Request<'_, '_>) -> Result<Bck> {
    let uname = request.query.get("bck_to").ok_or_else(|| Error::bad("bck_to is missing"))?;
    let (bck, _) = Bck::parse_uname(uname).map_err(Error::bad)?;
    Ok(bck)
}

async fn copy(request: &Request<'_, '_>, name: &str, message: &ActMsg) -> Result<Reply> {
    let from = named::bucket(request, name)?;
    let to = destination(request)?;
    let settings: TcbMsg = message.value_as().map_err(Error::bad)?;
    settings.validate().map_err(Error::bad)?;
    if to.name == name && !settings.dry_run {
        return Err(Error::bad(format!("cannot copy bucket \"ais://{name}\" onto itself")));
    }
    let target = match object::bucket(&request.shard.node.view(), &to.name) {
        Ok(target) => target,
        Err(e) if e.kind == Kind::BucketMissing => {
            object::create_like(request.shard, &from, &to.name).await?
        }
        Err(e) => return Err(e),
    };
    jobs::copy_bucket(request.shard, &from, &target, settings).await.map(Reply::text)
}

async fn rename(request: &Request<'_, '_>, name: &str) -> Result<Reply> {
    let from = named::bucket(request, name)?;
    let to = destination(request)?;
    if to.name == name {
        return Err(Error::bad(format!("cannot rename bucket \"ais://{name}\" to itself")));
    }
    jobs::rename_bucket(request.shard, &from, &to.name).await.map(Reply::text)
}

async fn patch(request: &Request<'_, '_>, name: &str, message: ActMsg) -> Result<Reply> {
    let name = named::bucket(request, name)?.bucket.name.clone();
    let command = match message.action.as_str() {
        action::SET_BPROPS => {
            let change = BpropsToSet::from_value(&message.value).map_err(Error::bad)?;
            Command::SetBucketProps { name, id: None, change }
        }
        action::RESET_BPROPS => Command::ResetBucketProps { name },
        other => return Err(Error::bad(format!("unknown action {other:?}"))),
    };
    object::change_cluster(request.shard, command).await?;
    Ok(Reply::empty(200))
}

async fn delete(request: &Request<'_, '_>, name: &str, message: ActMsg, body: Message) -> Result<Reply> {
    let bucket = named::bucket(request, name)?;
    match message.action.as_str() {
        action::DESTROY_BCK => {
            object::destroy_bucket(request.shard, name, None).await?;
            Ok(Reply::empty(200))
        }
        action::DELETE_OBJECTS => {
            object::allow(Caller::Anyone, Operation::Delete, &bucket)?;
            let settings: EvdMsg = message.value_as().map_err(Error::bad)?;
            drop(message);
            let going_on = settings.continue_on_error;
            let selection = settings.list_range.into_selection().map_err(|e| Error::bad(e.to_string()))?;
            let held = body.into_held();
            jobs::delete_many(request.shard, &bucket, selection, going_on, held).await.map(Reply::text)
        }
        action::EVICT_OBJECTS | action::EVICT_REMOTE_BCK => {
            Err(Error::bad(format!("bucket \"ais://{name}\" is not remote: nothing can be evicted")))
        }
        action::DESTROY_INVENTORY => Err(Error::not_implemented(&message.action)),
        other => Err(Error::bad(format!("unknown action {other:?}"))),
    }
}
