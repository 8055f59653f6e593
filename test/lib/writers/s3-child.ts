/**
 * A process that uploads, to be killed: `tsx s3-child.ts <endpoint> <accessKeyId> <secretAccessKey> <bucket>
 * <key> <megabytes> <pauseMs> [<deliveryId> <folder for unfinished uploads>]`. Prints `delivered` at the end.
 */
import {
  createS3Connection,
  createS3Writer,
  createUnfinishedUploads,
  readS3ConnectionOptions,
  readS3WriterOptions,
} from "../../../src/lib/writers/s3";
import { testSource } from "../../support/sources";
import { attemptContext, writeRequest } from "./s3-requests";

async function main(): Promise<void> {
  const [endpoint, accessKeyId, secretAccessKey, bucket, key = "", megabytes, pauseMs, deliveryId, folder] =
    process.argv.slice(2);
  const connection = createS3Connection(
    readS3ConnectionOptions({ endpoint, accessKeyId, secretAccessKey, pathStyle: true }),
  );
  const writer = createS3Writer(
    connection,
    readS3WriterOptions({ bucket, partSizeBytes: 5 * 1024 * 1024 }),
    folder === undefined ? {} : { unfinished: createUnfinishedUploads({ folder }) },
  );
  const content = Buffer.alloc(Number(megabytes) * 1024 * 1024, "x");
  const request = writeRequest(key, deliveryId === undefined ? {} : { deliveryId });
  await writer.write(testSource(content, { pauseMs: Number(pauseMs) }), request, attemptContext());
  connection.close();
  process.stdout.write("delivered\n");
}

void main();
