/** What keyproxy itself is to other people's emulations of AWS. Made up. */
export const identity = { accessKeyId: 'AKIAKEYPROXY', secretAccessKey: 'keyproxy' };

/** Where all their keys are. */
export const region = 'us-east-1';
