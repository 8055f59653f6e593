import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { describeWriterContract } from "./contract";
import { bucket, partSizeBytes, startStore, type TestStore } from "./s3-store";

for (const checksums of ["supported", "required"]) {
  let store: TestStore;
  describeWriterContract({
    name: `s3 (embedded), checksums when ${checksums}`,
    partSizeBytes,
    async start() {
      store = await startStore();
      await store.client.send(new CreateBucketCommand({ Bucket: bucket }));
    },
    stop: () => store.close(),
    createWriter: async (options) => store.createWriter(options, { checksums }),
    read: (target) => store.read(target),
    list: () => store.list(),
    put: (target, bytes) => store.put(target, bytes),
  });
}
