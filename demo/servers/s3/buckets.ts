import { receiveText } from "./body";
import { S3Error } from "./errors";
import type { Handler } from "./exchange";
import { xmlDocument, xmlElements, xmlText } from "./xml";

const defaultRegion = "us-east-1";

export const listBuckets: Handler = ({ store }) => {
  const Bucket = [...store.buckets.values()].map(({ name, createdAt }) => ({
    Name: name,
    CreationDate: createdAt.toISOString(),
  }));
  return { body: xmlDocument("ListAllMyBucketsResult", { Owner: { ID: "owner" }, Buckets: { Bucket } }) };
};

export const createBucket: Handler = async (exchange) => {
  const { store, info, region } = exchange;
  const xml = exchange.header("content-length") === undefined ? "" : await receiveText(exchange);
  const constraint = xmlText(xml, "LocationConstraint") ?? defaultRegion;
  if (region !== undefined && constraint !== region) {
    const message = `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`;
    throw new S3Error("IllegalLocationConstraintException", message);
  }
  const { name } = store.createBucket(info.bucket ?? "", constraint);
  return { headers: { location: `/${name}` } };
};

export const headBucket: Handler = ({ store, info }) => ({
  headers: { "x-amz-bucket-region": store.bucket(info.bucket).region },
});

export const deleteBucket: Handler = ({ store, info }) => {
  const bucket = store.bucket(info.bucket);
  if (bucket.objects.size > 0) throw new S3Error("BucketNotEmpty", undefined, { BucketName: bucket.name });
  store.buckets.delete(bucket.name);
  return { status: 204 };
};

export const getBucketLocation: Handler = ({ store, info }) => {
  const { region } = store.bucket(info.bucket);
  // The default region has no name here, for reasons of history (AWS: GetBucketLocation).
  const text = region === defaultRegion ? "" : region;
  return { body: xmlDocument("LocationConstraint", {}).replace("></", `>${text}</`) };
};

export const putLifecycle: Handler = async (exchange) => {
  const bucket = exchange.store.bucket(exchange.info.bucket);
  const xml = await receiveText(exchange);
  const rules = xmlElements(xml, "Rule");
  const complete = rules.every((rule) => {
    const acts = [
      "Transition",
      "Expiration",
      "AbortIncompleteMultipartUpload",
      "NoncurrentVersionExpiration",
    ];
    const enabled = ["Enabled", "Disabled"].includes(xmlText(rule, "Status") ?? "");
    return enabled && acts.some((act) => xmlElements(rule, act).length > 0);
  });
  if (rules.length === 0 || !complete) throw new S3Error("MalformedXML");
  bucket.lifecycle = xml;
  return {};
};

export const getLifecycle: Handler = ({ store, info }) => {
  const { lifecycle, name } = store.bucket(info.bucket);
  if (lifecycle === undefined) {
    throw new S3Error("NoSuchLifecycleConfiguration", undefined, { BucketName: name });
  }
  return { headers: { "content-type": "application/xml" }, body: lifecycle };
};

export const deleteLifecycle: Handler = ({ store, info }) => {
  store.bucket(info.bucket).lifecycle = undefined;
  return { status: 204 };
};
