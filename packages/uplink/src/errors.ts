import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type UplinkErrorCode =
  | 'UPLINK_REQUEST_FAILED'
  | 'UPLINK_TIMED_OUT'
  | 'UPLINK_NOT_ACCEPTED'
  | 'UPLINK_BAD_ANSWER'
  | 'UPLINK_REFUSED'
  | 'UPLINK_ENCODE_FAILED'
  | 'UPLINK_CLOSED'
  | 'UPLOAD_BODY_FAILED'

export const uplinkError: ErrorFactory<UplinkErrorCode> = defineErrors<UplinkErrorCode>({
  UPLINK_REQUEST_FAILED: 'retryable',
  UPLINK_TIMED_OUT: 'retryable',
  UPLINK_NOT_ACCEPTED: 'retryable',
  UPLINK_BAD_ANSWER: 'retryable',
  UPLINK_REFUSED: 'permanent',
  UPLINK_ENCODE_FAILED: 'permanent',
  UPLINK_CLOSED: 'permanent',
  UPLOAD_BODY_FAILED: 'permanent',
})
