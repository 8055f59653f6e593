import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type S3Server, startS3Server } from "../../../demo/servers/s3";

let server: S3Server;
let client: S3Client;
const Bucket = "things";

beforeAll(async () => {
  server = await startS3Server();
  const { endpoint, accessKeyId, secretAccessKey } = server;
  client = new S3Client({
    endpoint,
    region: "eu-central-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  await client.send(new CreateBucketCommand({ Bucket }));
});

afterAll(async () => {
  client.destroy();
  await server.close();
});

test("does what the SDK asks", async () => {
  await client.send(new HeadBucketCommand({ Bucket }));
  const bytes = randomBytes(3_000_000);
  const Key = "a/ünï 名 +&'()*!~%46.txt";
  const put = await client.send(
    new PutObjectCommand({ Bucket, Key, Body: bytes, Metadata: { title: "x" }, Tagging: "a=b%20c" }),
  );
  expect(put.ChecksumCRC32).toMatch(/=$/);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  expect(head).toMatchObject({ ContentLength: 3_000_000, ETag: put.ETag, ChecksumCRC32: put.ChecksumCRC32 });
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true);
  const list = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(list.Contents?.map((one) => one.Key)).toEqual([Key]);
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(server.buckets.get(Bucket)?.objects.size).toBe(0);
});

test("takes streams in chunks with a trailer", async () => {
  const bytes = randomBytes(1_000_000);
  const pieces = Array.from({ length: 10 }, (_, n) => bytes.subarray(n * 100_000, (n + 1) * 100_000));
  await client.send(
    new PutObjectCommand({ Bucket, Key: "s", Body: Readable.from(pieces), ContentLength: bytes.length }),
  );
  expect((await server.read(Bucket, "s"))?.equals(bytes)).toBe(true);
});

test("multipart", async () => {
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key: "m", ChecksumAlgorithm: "CRC32" }),
  );
  const bytes = randomBytes(6 * 1024 * 1024);
  const Parts = [];
  for (const PartNumber of [1, 2]) {
    const Body = bytes.subarray((PartNumber - 1) * 5242880, PartNumber * 5242880);
    const { ETag, ChecksumCRC32 } = await client.send(
      new UploadPartCommand({ Bucket, Key: "m", UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" }),
    );
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  const done = await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key: "m", UploadId, MultipartUpload: { Parts } }),
  );
  expect(done.ETag).toMatch(/-2"$/);
  expect((await server.read(Bucket, "m"))?.equals(bytes)).toBe(true);
});
