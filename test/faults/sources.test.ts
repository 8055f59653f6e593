import { requireTool } from "../support/required";
import { sshdPath } from "../support/sshd";
import { vsftpdPath } from "../support/vsftpd";
import { describeFaults } from "./describe-faults";
import { folderFaults } from "./rows/folder";
import { sourceFaults } from "./rows/source";
import { folder, stracePath } from "./stages/folder";
import { embeddedFtp, vsftpd } from "./stages/ftp";
import { memory } from "./stages/memory";
import { embeddedS3 } from "./stages/s3";
import { openssh } from "./stages/sftp";

// No writer is better than its source: all say of it the same.
for (const stage of [memory, embeddedS3(), embeddedFtp]) describeFaults(stage, sourceFaults);
if (requireTool("vsftpd", vsftpdPath)) describeFaults(vsftpd("explicit"), sourceFaults);
if (requireTool("openssh-server", sshdPath)) describeFaults(openssh(), sourceFaults);
const system = requireTool("strace", stracePath) ? folderFaults : [];
describeFaults(folder(), [...sourceFaults, ...system]);
