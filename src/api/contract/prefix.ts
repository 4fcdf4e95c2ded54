/** Every path of the API starts with it. */
export const apiPrefix = '/api/v1';
