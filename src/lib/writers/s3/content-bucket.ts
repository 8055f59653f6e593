import type { Readable } from "node:stream";
import type { BucketObject, ContentBucket } from "../../content-bucket";
import { DeliveryError, reworded } from "../../errors";
import { capitalised } from "../../quotation";
import type { Writer } from "../../types";
import type { S3Connection } from "./connection";
import { statusOf } from "./errors";

/** So often in a row a connection may break without having brought anything. */
const mostInVain = 3;

/** @param writer puts objects into this bucket */
export function contentBelow(
  connection: S3Connection,
  writer: Writer,
  { bucket, prefix }: { bucket: string; prefix: string },
): ContentBucket {
  /** Nobody ends it: what has been begun is needed by others as well. */
  const { signal } = new AbortController();
  const keyOf = (name: string) => prefix + name;
  const ask = <T>(request: Parameters<typeof connection.send<T>>[0]) => connection.send(request, { signal });
  const explain = (step: "look" | "read" | "remove", error: unknown, name?: string) =>
    withoutWriter(
      connection.explain(error, { step, bucket, ...(name !== undefined && { key: keyOf(name) }) }),
    );
  /** Nobody makes this bucket. */
  const withoutWriter = (error: DeliveryError) =>
    error.code === "NoSuchBucket"
      ? reworded(
          error,
          `${capitalised(connection.description)} has no bucket ${bucket}. Create it, or correct its name.`,
        )
      : error;

  const open = async ({ name, size }: BucketObject, start: number) => {
    const { GetObjectCommand } = await connection.sdk();
    const range = start === 0 ? {} : { Range: `bytes=${start}-${size - 1}` };
    const command = new GetObjectCommand({ Bucket: bucket, Key: keyOf(name), ...range });
    const { Body } = await ask((client, options) => client.send(command, options));
    return Body as Readable;
  };

  return {
    location: `s3://${bucket}/${prefix}`,

    async put(name, source) {
      const request = { deliveryId: name, target: keyOf(name), contentType: undefined };
      const work = { ...request, metadata: {}, attributes: {} };
      await writer.write(source, work, { signal, onProgress: () => {} }).catch((error: DeliveryError) => {
        throw withoutWriter(error);
      });
    },

    async look(name) {
      const { HeadObjectCommand } = await connection.sdk();
      const command = new HeadObjectCommand({ Bucket: bucket, Key: keyOf(name) });
      try {
        const { ContentLength = 0, LastModified } = await ask((client, options) =>
          client.send(command, options),
        );
        return { name, size: ContentLength, modifiedMs: LastModified?.getTime() ?? 0 };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw explain("look", error, name);
      }
    },

    async *read(object) {
      let position = 0;
      for (let inVain = 0; position < object.size; ) {
        try {
          for await (const chunk of await open(object, position)) {
            position += chunk.length;
            inVain = 0;
            yield chunk;
          }
          if (position < object.size) throw cutShort(connection, object);
        } catch (error) {
          const explained = explain("read", error, object.name);
          if (!explained.retryable || ++inVain > mostInVain) throw explained;
        }
      }
    },

    async list() {
      const { ListObjectsV2Command } = await connection.sdk();
      const found: BucketObject[] = [];
      for (let token: string | undefined, more = true; more; ) {
        const command = new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ContinuationToken: token,
        });
        const page = await ask((client, options) => client.send(command, options)).catch((error: unknown) => {
          throw explain("look", error);
        });
        for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
          found.push({
            name: Key.slice(prefix.length),
            size: Size,
            modifiedMs: LastModified?.getTime() ?? 0,
          });
        }
        token = page.NextContinuationToken;
        more = page.IsTruncated === true && token !== undefined;
      }
      return found;
    },

    async remove(name) {
      const { DeleteObjectCommand } = await connection.sdk();
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) });
      await ask((client, options) => client.send(command, options)).catch((error: unknown) => {
        throw explain("remove", error, name);
      });
    },
  };
}

function cutShort({ description }: S3Connection, { name }: BucketObject): DeliveryError {
  return new DeliveryError("unavailable", `${capitalised(description)} gave only a part of ${name}.`);
}
