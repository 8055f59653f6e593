import { describeFaults } from "./describe-faults";
import { ftpLosses, ftpPatience } from "./rows/ftp";
import { ftpReplies, ftpServerFaults } from "./rows/ftp-replies";
import { embeddedFtp } from "./stages/ftp";

describeFaults(embeddedFtp, [
  ...ftpLosses({ silenceMs: 1_500 }),
  ...ftpPatience(),
  ...ftpReplies(),
  ...ftpServerFaults,
]);
