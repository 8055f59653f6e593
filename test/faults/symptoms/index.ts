import * as folder from "./folder";
import * as ftp from "./ftp";
import * as s3 from "./s3";
import * as sftp from "./sftp";
import type { Place, Symptom } from "./symptom";

export interface SymptomsOfWriter {
  title: string;
  /** Of the examples. */
  place: Place;
  symptoms: readonly Symptom[];
}

/** Everything that the fault table proves of errors, by writer. */
export const symptomsByWriter: readonly SymptomsOfWriter[] = [
  {
    title: "FTP and FTPS",
    place: { where: "the FTP server ftp.example.com:21", path: "/reports/" },
    symptoms: [
      ...[ftp.reset, ftp.closed(ftp.during.storing), ftp.silent(ftp.during.storing), ftp.cut, ftp.short],
      ...Object.values(ftp.refusals).flatMap((replies): Symptom[] => Object.values(replies)),
    ],
  },
  {
    title: "S3",
    place: {
      where: "the S3 server https://s3.example.com (region us-east-1)",
      path: "s3://deliveries/",
    },
    symptoms: [s3.reset, s3.unreachable, s3.silent, s3.damaged, s3.notStored, ...s3.refusals],
  },
  {
    title: "SFTP",
    place: { where: "the SFTP server sftp.example.com:22", path: "/home/reports/" },
    symptoms: [
      ...[sftp.reset, sftp.closed(sftp.during.storing), sftp.silent(sftp.during.storing), sftp.damaged],
    ],
  },
  { title: "Folders", place: { where: "the folder", path: "/srv/reports/" }, symptoms: folder.refusals },
];
