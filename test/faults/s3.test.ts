import { describeFaults } from "./describe-faults";
import { s3Losses, s3Refusals, s3SpoiltAnswers, s3Weather } from "./rows/s3";
import { embeddedS3 } from "./stages/s3";

describeFaults(embeddedS3(), [
  ...s3Losses({ silenceMs: 2_000 }),
  ...s3Weather,
  ...s3Refusals,
  ...s3SpoiltAnswers,
]);
