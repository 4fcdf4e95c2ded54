/** One connection of an HTTP/2 client: its streams, its windows, and how it ends (RFC 9113). */
import type { Duplex } from 'node:stream';
import { answer, type Connection } from '../proxy/exchange.ts';
import { FrameAllowance, ResetCount } from './allowance.ts';
import { Departure } from './departure.ts';
import { FrameDispatch, type FrameEvents } from './frame-dispatch.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter, type WriterOwner } from './frame-writer.ts';
import { HeaderSection } from './header-section.ts';
import { HeaderWriter } from './header-writer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import type { Http2Limit, Http2Shared } from './http2.ts';
import { defaultWindow, errorCode, flag, frameType, largestStreamId, maxFrameBytes, setting } from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import { Http2Body, type BodyOwner } from './request-body.ts';
import { readRequest, type Refusal, type RequestHead } from './request.ts';
import { Sender, type SenderOwner } from './sender.ts';
import { settingsPayload, type ClientSettings } from './settings.ts';
import { Http2Stream, type StreamOwner } from './stream.ts';
