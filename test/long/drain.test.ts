/** SIGTERM with ten thousand unary calls under way and a hundred idle watches. */
import { drainContract } from '../support/drain.contract.ts';

drainContract(10_000);
